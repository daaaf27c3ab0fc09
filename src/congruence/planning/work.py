"""The tasks of a configuration and how large each is, as the run itself would cut them."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from congruence.activations.plan import rows_per_shard
from congruence.caches import cache_folder
from congruence.config.run import RunConfig
from congruence.config.steps import measures_of
from congruence.errors import ConfigError, StorageError
from congruence.run.bench import Bench
from congruence.run.captures import sources_of
from congruence.run.grid import REAL, Cell, Source
from congruence.run.selections.text import subspaces_of
from congruence.sides.side import known_saes
from congruence.storage.run_folder import RunFolder, open_folder

ASSUMED_L0 = 64.0
"""Features that fire on a token, where no file says it."""
PAIRS_A_FEATURE = 0.5
"""Pairs that filters leave, of the narrower side's features; measured from 0.13 to 0.7."""
BYTES_A_FIRING = 8
PHRASE_SHARE = 0.02
"""Tokens of phrases, of those of the text, where phrases are compared; measured on the demo."""


@dataclass(frozen=True)
class Piece:
    """One task.

    Attributes:
        stage: "capture", "capture phrases" or "compare".
        near: tasks of one name share what is read or loaded for them.
        flops: of models and SAEs.
        firings: feature activations that are found and written.
        cofirings: of pairs of features, that are counted.
        draws: null draws times measures times pairs.
        concept_draws: rows of concepts times draws.
        loads: bytes of the model and SAEs that a worker reads when it comes to `near`.
        reads: layers that it compares -> their bytes; a worker reads each once.
        writes: bytes that it stores.
        files: that it stores.
    """

    stage: str
    near: str
    flops: float = 0.0
    firings: float = 0.0
    cofirings: float = 0.0
    draws: float = 0.0
    concept_draws: float = 0.0
    loads: float = 0.0
    reads: Mapping[str, float] = field(default_factory=dict, hash=False)
    writes: float = 0.0
    files: int = 3


@dataclass(frozen=True)
class Work:
    """All of a run.

    Attributes:
        pieces: its tasks, stage by stage.
        tokens: kept, of the text.
        cells: layer pairs, controls included.
        real_cells: of the comparison itself.
        sources: layers of either side, variants included.
        gpus: of a task that captures.
        assumed: what no file says, in sentences.
    """

    pieces: tuple[Piece, ...]
    tokens: int
    cells: int
    real_cells: int
    sources: int
    gpus: float = 0.0
    assumed: tuple[str, ...] = ()


def work_of(config: RunConfig, l0: Mapping[str, float] | None = None) -> Work:
    """The tasks of a configuration: text, shapes of models and listings of SAEs are read, no more.

    What is found out is kept in the user's cache folder: a model is loaded for its shape the first time.

    Args:
        config: resolved.
        l0: features that fire on a token, measured, by source ("a/real/3").

    Raises:
        CongruenceError: as the run would.
    """
    if config.pairing.method == "crosscoder":
        raise ConfigError(
            "plan: a run by a crosscoder has no tasks for workers, one process captures it: run it"
        )
    with _known() as folder:
        return _Cut(Bench.open(config, RunFolder(folder)), dict(l0 or {})).work()


@contextmanager
def _known() -> Iterator[Path]:
    """A folder for what is found out of models, SAEs and text: the user's, or one for this time."""
    kept = cache_folder() / "plan"
    try:
        open_folder(kept)
    except StorageError:
        with tempfile.TemporaryDirectory(prefix="congruence-plan-") as folder:
            yield Path(folder)
    else:
        yield kept


class _Cut:
    """A run that is opened, cut into its tasks."""

    def __init__(self, bench: Bench, l0: dict[str, float]) -> None:
        self.bench, self.config, self.l0 = bench, bench.config, l0
        self.assumed: dict[str, None] = {}
        self.sources = sources_of(bench.cells)

    def work(self) -> Work:
        groups = self._groups()
        captures = [piece for group in groups for piece in self._capture(group)]
        phrases = self._phrases(captures, [self._near(group) for group in groups])
        cells = [self._cell(cell) for cell in self.bench.cells]
        real = [cell for cell in self.bench.cells if cell.control == "none"]
        tokens = max(self.bench.text.tokens[side].n for side in self.bench.sides)
        gpus = self.config.runner.gpus_per_capture
        return Work(
            (*captures, *phrases, *cells),
            tokens,
            len(cells),
            len(real),
            len(self.sources),
            gpus,
            tuple(self.assumed),
        )

    def _groups(self) -> list[list[Source]]:
        """Sources that share a pass over the text with one model."""
        found: dict[Any, list[Source]] = {}
        for source in sorted(self.sources):
            side = self.bench.sides[source.side]
            own = source.variant if source.variant == "rerandomized" else ""
            key = (side.model.key, own, self.bench.text.tokens[source.side].key, side.config.hook_offset)
            found.setdefault(key, []).append(source)
        return list(found.values())

    def _capture(self, sources: list[Source]) -> list[Piece]:
        side = self.bench.sides[sources[0].side]
        tokens, model = self.bench.text.tokens[side.name], side.model
        d, depth = model.d_model or 0, 1 + max(source.layer for source in sources)
        flops = 24.0 * d * d * depth + sum(2.0 * self._width(s)[0] * self._width(s)[1] for s in sources)
        l0 = sum(self._l0(source) for source in sources)
        loads = 4.0 * (12 * d * d * model.n_layers + 2 * model.vocabulary * d) if d else 0.0
        loads += sum(4.0 * 2 * self._width(s)[0] * self._width(s)[1] for s in sources)
        step, pieces = rows_per_shard(tokens), []
        for start in range(0, len(tokens.keep), step):
            rows = slice(start, start + step)
            positions, kept = tokens.input_ids[rows].size, float(np.sum(tokens.keep[rows]))
            pieces.append(
                Piece(
                    "capture",
                    self._near(sources),
                    flops=flops * positions,
                    firings=l0 * kept,
                    loads=loads,
                    writes=BYTES_A_FIRING * l0 * kept,
                    files=4 * len(sources),
                )
            )
        return pieces

    def _near(self, sources: list[Source]) -> str:
        variants = "+".join(dict.fromkeys(source.variant for source in sources))
        return f"{'+'.join(dict.fromkeys(source.side for source in sources))} {variants}"

    def _phrases(self, captures: list[Piece], names: list[str]) -> list[Piece]:
        """What phrases of concepts add: a shard a model, for their texts are few."""
        concepts = self.config.concepts
        if concepts is None or not concepts.multi_token:
            return []
        self.assumed.setdefault(f"phrases have {PHRASE_SHARE:.0%} of the text's tokens")
        found = []
        for near in (name for name in names if REAL in name):
            own = [piece for piece in captures if piece.near == near]
            found.append(
                Piece(
                    "capture phrases",
                    near,
                    flops=PHRASE_SHARE * sum(piece.flops for piece in own),
                    firings=PHRASE_SHARE * sum(piece.firings for piece in own),
                    writes=PHRASE_SHARE * sum(piece.writes for piece in own),
                    loads=own[0].loads,
                    files=own[0].files,
                )
            )
        return found

    def _cell(self, cell: Cell) -> Piece:
        n = float(self.bench.text.tokens[cell.a.side].n)
        l0 = {source.name: self._l0(source) for source in (cell.a, cell.b)}
        pairs = PAIRS_A_FEATURE * min(self._width(cell.a)[1], self._width(cell.b)[1])
        draws, concept_draws = self.config.null.draws * len(measures_of(self.config.measures)) * pairs, 0.0
        concepts = self.config.concepts
        if concepts is not None and cell.control == "none":
            rows = len(subspaces_of(concepts)) * len(concepts.measures) * len(concepts.nulls)
            concept_draws = float(rows * (concepts.draws or self.config.null.draws))
        return Piece(
            "compare",
            f"{cell.control}/{cell.a.name}",
            cofirings=n * l0[cell.a.name] * l0[cell.b.name],
            draws=draws,
            concept_draws=concept_draws,
            reads={name: BYTES_A_FIRING * n * count for name, count in l0.items()},
            writes=150.0 * pairs + 8.0 * self.config.null.draws * 4,
            files=3 if not concept_draws else 6,
        )

    def _width(self, source: Source) -> tuple[int, int]:
        """(d_in, features) of a source."""
        side = self.bench.sides[source.side]
        known = known_saes(side.other_seed if source.variant == "other_seed" else side.saes)
        if source.variant == "neurons" or source.layer not in known:
            return side.model.d_model or 0, side.model.d_model or 0
        return known[source.layer].d_in, known[source.layer].d_sae

    def _l0(self, source: Source) -> float:
        if (measured := self.l0.get(source.name)) is not None:
            return measured
        side = self.bench.sides[source.side]
        if source.variant == "neurons" or side.config.features == "neurons":
            return float(side.model.d_model or 0)
        known = known_saes(side.other_seed if source.variant == "other_seed" else side.saes).get(source.layer)
        for name in ("l0", "k"):
            told = None if known is None else known.about.get(name)
            if isinstance(told, int | float) and not isinstance(told, bool) and told > 0:
                return float(told)
        self.assumed.setdefault(
            f"{ASSUMED_L0:g} features fire on a token of every SAE: --from a run with these SAEs tells it"
        )
        return ASSUMED_L0
