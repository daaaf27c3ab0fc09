"""Captures of a run whose pairs are a crosscoder's: its features, encoded from both models at once."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from congruence.activations.joint import JointCapture, Place
from congruence.config.run import RunConfig
from congruence.errors import ModelError
from congruence.matching.crosscoder import EXCLUSIVE, SHARED, relative_norms
from congruence.progress import Progress
from congruence.run.captures import Captures, Pass
from congruence.run.grid import Source
from congruence.run.layer import Layer
from congruence.saes import Crosscoder
from congruence.saes.latent_scaling import latent_scaling
from congruence.sides.corpus import SharedText
from congruence.sides.crosscoder import OTHER_TOKENS, JointReading
from congruence.sides.side import Side
from congruence.storage import Memo

logger = logging.getLogger(__name__)

TABLE = "crosscoder.parquet"


class CrosscoderCaptures(Captures):
    """The features of a crosscoder as both sides see them: the same activations, each side's decoder rows.

    Args:
        sides, text, config, folder, memo: as of `Captures`.
        reading: the crosscoder, and what of it the sides are.

    Raises:
        ModelError: the models read different tokens.
        ConfigError, SaeError: it isn't of these models.
    """

    def __init__(
        self,
        sides: Mapping[str, Side],
        text: SharedText,
        config: RunConfig,
        folder: Path,
        memo: Memo,
        *,
        reading: JointReading,
    ) -> None:
        super().__init__(sides, text, config, folder, memo, reading=reading)
        if text.alignment is not None:
            raise ModelError(OTHER_TOKENS)
        self.joint_reading, self.place_at = reading, reading.place_at
        self.joint = JointCapture(
            places=[
                Place(sides[side].model, text.tokens[side], hook) for side, hook in reading.read_at(sides)
            ],
            wanted=tuple(sorted(set(self.place_at.values()))),
            key=reading.files.key(),
            folder=folder,
        )
        at = ", ".join(dict.fromkeys(place.hook for place in self.joint.places))
        logger.info("pairs: %s at %s", reading.label, at)

    @property
    def crosscoder(self) -> Crosscoder:
        """It, loaded."""
        return self.joint_reading.crosscoder

    def capture(self, sources: Iterable[Source], progress: Progress) -> None:
        """Make sure that the activations at every place are on disk; finished shards are not repeated."""
        stores = self.joint.capture(
            lambda: self.crosscoder,
            batch_tokens=self.config.batch_tokens,
            progress=lambda done, total: progress.advance("capture the crosscoder", done, total, "tokens"),
        )
        for source in sources:
            self._stores[source] = stores[self._place(source)]

    def passes(self, sources: Iterable[Source]) -> list[Pass]:
        """None that others could take: both models are read in step, by this process."""
        return []

    def finished(self, sources: Iterable[Source]) -> bool:
        """Whether everything is on disk already."""
        return self.joint.stored() is not None

    def keys_of(self, sources: Iterable[Source]) -> list[str]:
        """Keys of what the activations of each source are made from."""
        return [self.joint.key_at(self._place(source)) for source in sources]

    def finish(self, folder: Path) -> dict[str, Any]:
        """Write how much of each feature is in each model; what run.json says of the crosscoder."""
        sums = self.joint.sums(self.crosscoder)
        table = pd.concat([self._table(a, b, sums) for a, b in self._cells()], ignore_index=True)
        table.to_parquet(folder / TABLE, index=False)
        at = {place: number for number, place in enumerate(self.joint.wanted)}
        fvu = {
            f"{side}/{layer}": float(sums.fvu[at[p]]) for (side, layer), p in sorted(self.place_at.items())
        }
        for where in (where for where, value in fvu.items() if not value < 1):
            what = f"the crosscoder explains nothing at {where} (FVU {fvu[where]:.2f})"
            logger.warning("%s: is it of these models, layers and places?", what)
        return {
            "crosscoder": {
                "path": self.joint_reading.label,
                "format": self.joint_reading.files.format.name,
                "key": self.joint.key,
                "is": self.crosscoder.what,
                "d_sae": self.crosscoder.d_sae,
                "places": {
                    f"{side}/{layer}": place for (side, layer), place in sorted(self.place_at.items())
                },
                "hooks": [place.hook for place in self.joint.places],
                "fvu": fvu,
                "features": {
                    f"{a}-{b}": table[(table.layer_a == a) & (table.layer_b == b)]
                    .kind.value_counts()
                    .to_dict()
                    for a, b in self._cells()
                },
            }
        }

    def _layer(self, source: Source) -> Layer:
        rows = self.crosscoder.rows(self._place(source))
        return replace(super()._layer(source), decoder=lambda: rows)

    def _place(self, source: Source) -> int:
        return self.place_at[source.side, source.layer]

    def _cells(self) -> list[tuple[int, int]]:
        return [(a, b) for a in self.sides["a"].layers for b in self.sides["b"].layers]

    def _table(self, layer_a: int, layer_b: int, sums: Any) -> pd.DataFrame:
        places = self.place_at["a", layer_a], self.place_at["b", layer_b]
        rows = [self.crosscoder.rows(place) for place in places]
        at = self.joint.wanted.index(places[0]), self.joint.wanted.index(places[1])
        relative = relative_norms(rows[0], rows[1])
        shared = self.config.pairing.options.get("shared", SHARED)
        return pd.DataFrame(
            {
                "layer_a": np.full(len(relative), layer_a),
                "layer_b": np.full(len(relative), layer_b),
                "feature": np.arange(len(relative)),
                "norm_a": np.linalg.norm(rows[0], axis=1),
                "norm_b": np.linalg.norm(rows[1], axis=1),
                "relative_norm": relative,
                "kind": kinds(relative, shared),
                "firings_a": sums.firings[at[0]].astype(np.int64),
                "firings_b": sums.firings[at[1]].astype(np.int64),
            }
            | latent_scaling(sums, rows[0], rows[1], at)
        )


def kinds(relative: np.ndarray, shared: float = SHARED) -> np.ndarray:
    """shared, a, b or between, by relative decoder norm; none where no place is written."""
    return np.select(
        [
            np.isnan(relative),
            np.abs(relative - 0.5) <= shared,
            relative < EXCLUSIVE,
            relative > 1 - EXCLUSIVE,
        ],
        ["none", "shared", "a", "b"],
        "between",
    )
