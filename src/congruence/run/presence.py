"""Features of one model looked for in the hidden states of the other, in one more pass over the text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy import sparse

from congruence.activations.plan import read_at
from congruence.models import hidden_states
from congruence.progress import Progress
from congruence.rng import derive
from congruence.run.captures import Captures
from congruence.run.grid import Source
from congruence.sides.side import known_saes
from congruence.sides.variants import REAL
from congruence.significance import benjamini_hochberg
from congruence.significance.verdicts import UNTOLD, p_of_chance, p_of_lacking
from congruence.stats.documents import halves_of_documents
from congruence.stats.readout import Readout, ReadoutSums

VERSION = 1
MOST, SHIFTS = 250, 2
"""Features of a layer that are looked for, unless more aren't shared; shifts of the text for the null."""
PRESENT, ABSENT = "present", "absent"
Chosen = Mapping[Source, Int[np.ndarray, " k"]]


@dataclass(frozen=True)
class Looked:
    """What is found of the chosen features of one side, layer after layer.

    Attributes:
        r, null: (k,) and (shifts, k) held-out r of the best readout, over all layers of the other model.
        layer: (k,) where.
        own: (k,) the same from the states of the feature's own model at its own layer.
        scaling, error: (k,) β there, and the part of it that lies in the SAE's error.
    """

    r: np.ndarray
    null: np.ndarray
    layer: np.ndarray
    own: np.ndarray
    scaling: np.ndarray
    error: np.ndarray


def look(captures: Captures, side: str, chosen: Chosen, progress: Progress) -> Looked:
    """Look for features of a side in both models' states; kept under a key of all that it follows from.

    Args:
        captures: of the run, everything captured.
        side: of the features.
        chosen: which, by layer.
        progress: is told the tokens read.
    """
    other = "b" if side == "a" else "a"
    sources = [Source(other, REAL, layer) for layer in captures.sides[other].layers]
    features = {source.name: chosen[source].tolist() for source in chosen}
    keys = [captures.key(source) for source in (*chosen, *sources)]
    key = [VERSION, side, keys, features, captures.config.seed]

    def compute() -> dict[str, np.ndarray]:
        across = _states_of(captures, other, chosen, progress, shifts=_shifts(captures), error=True)
        own = _states_of(captures, side, chosen, progress)
        return _best(across, own, chosen, [source.layer for source in sources])

    return Looked(**captures.memo.arrays("presence", key, compute))


def judge(
    looked: Looked, *, firings: np.ndarray, occasions: np.ndarray, share: float, fdr: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(k,) present, absent or can't be told, by the rules of the verdicts; with q and the null's 95 % point.

    The ceiling is the readout from the feature's own model.
    """
    p, point = p_of_chance(looked.r, looked.null, firings)
    q = benjamini_hochberg(p)
    lacking = benjamini_hochberg(p_of_lacking(looked.r, looked.own, occasions, share=share))
    with np.errstate(invalid="ignore"):
        present = (q <= fdr) & (looked.r >= share * looked.own)
        absent = (lacking <= fdr) & ~present
    return np.select([present, absent], [PRESENT, ABSENT], UNTOLD), q, point


def _shifts(captures: Captures) -> list[int]:
    starts = captures.text.tokens["a"].document_offsets[1:-1]
    drawn = derive(captures.config.seed, "presence").permutation(starts)
    return [0, *(int(start) for start in drawn[:SHIFTS])]


def _states_of(
    captures: Captures,
    states: str,
    chosen: Chosen,
    progress: Progress,
    *,
    shifts: Sequence[int] = (0,),
    error: bool = False,
) -> dict[tuple[int, int], Readout]:
    """(layer of the states, shift) -> what is read out of them, of all chosen features side by side.

    Where the features are of the same model, of each layer's own states.
    """
    side, tokens = captures.sides[states], captures.text.tokens[states]
    hooks = {layer: read_at(side.hook_name(layer), side.config.hook_offset) for layer in side.layers}
    saes = {layer: sae.load() for layer, sae in known_saes(side.saes).items()} if error else {}
    first, _ = halves_of_documents(tokens.document_offsets, captures.config.seed)
    half, rows = (~first).astype(np.int64), _Rows(captures, chosen)
    sums: dict[tuple[int, int], ReadoutSums] = {}
    start = 0
    label = f"look for features in {side.config.label}"
    batches = hidden_states(
        side.model, tokens, list(hooks.values()), batch_tokens=captures.config.batch_tokens
    )
    for batch in batches:
        count = len(next(iter(batch.values())))
        acts = {shift: rows.at(start, count, shift) for shift in shifts}
        for layer, hook in hooks.items():
            x, left = _with_error(batch[hook], saes.get(layer))
            for shift in shifts:
                place = layer, shift
                if place not in sums:
                    sums[place] = ReadoutSums(
                        half, x.shape[1], rows.width, error=shift == 0 and layer in saes
                    )
                sums[place].add(start, x, acts[shift], left if shift == 0 else None)
        start += count
        progress.advance(label, start, tokens.n, "tokens")
    return {place: one.readout() for place, one in sums.items()}


def _with_error(states: Any, sae: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """The states, and what an SAE leaves of them; none of one that predicts something else."""
    x = states.float().flatten(1)
    if sae is None or sae.is_transcoder or sae.is_part:
        return x.cpu().numpy(), None
    again = sae.reconstruct(x).float().cpu()
    return x.cpu().numpy(), (x.cpu() - again).numpy()


class _Rows:
    """Rows of the chosen features of all layers side by side, read round the corpus."""

    def __init__(self, captures: Captures, chosen: Chosen) -> None:
        parts = [_columns(captures.acts(source), features) for source, features in chosen.items()]
        self.whole = sparse.csr_array(sparse.hstack(parts, format="csr"))
        self.n, self.width = self.whole.shape  # pyright: ignore[reportGeneralTypeIssues]

    def at(self, start: int, count: int, shift: int) -> sparse.csr_array:
        """Row t of the states meets row t − shift."""
        rows = (np.arange(start, start + count) - shift) % self.n
        return sparse.csr_array(self.whole[rows])


def _columns(acts: Any, features: np.ndarray) -> sparse.csr_array:
    blocks: Iterator[Any] = (sparse.csr_array(block)[:, features] for block in acts)
    return sparse.csr_array(sparse.vstack(list(blocks), format="csr"))


def _best(
    across: Mapping[tuple[int, int], Readout],
    own: Mapping[tuple[int, int], Readout],
    chosen: Chosen,
    layers: Sequence[int],
) -> dict[str, np.ndarray]:
    """The best over the layers of the other model; of the own model, that of the feature's own layer."""
    shifts = list(dict.fromkeys(shift for _, shift in across))
    r = {shift: np.stack([across[layer, shift].r for layer in layers]) for shift in shifts}
    best = np.where(np.isnan(r[0]), -np.inf, r[0]).argmax(axis=0)
    at = best, np.arange(r[0].shape[1])
    sizes = [len(features) for features in chosen.values()]
    of_layer = np.repeat([source.layer for source in chosen], sizes)
    mine = np.full(len(of_layer), np.nan)
    for layer in np.unique(of_layer):
        mine[of_layer == layer] = own[int(layer), 0].r[of_layer == layer]
    return {
        "r": r[0][at],
        "null": np.stack([np.fmax.reduce(r[shift]) for shift in shifts if shift]).reshape(-1, len(of_layer)),
        "layer": np.asarray(layers)[best],
        "own": mine,
        "scaling": np.stack([across[layer, 0].scaling for layer in layers])[at],
        "error": np.stack([across[layer, 0].scaling_error for layer in layers])[at],
    }
