"""Features that several places feed at once: a crosscoder's, captured with both models in step."""

import itertools
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from congruence.activations.capture import Progress
from congruence.activations.plan import existing_store, rows_per_shard, shard_offsets
from congruence.activations.shards import ShardWriter
from congruence.activations.store import FORMAT, ActivationStore
from congruence.errors import ModelError
from congruence.models import LanguageModel, Tokens, batch_states
from congruence.saes.crosscoder import Crosscoder
from congruence.saes.finite import all_finite
from congruence.saes.latent_scaling import LatentSums, latent_sums
from congruence.storage import (
    NotWhole,
    atomic_folder,
    content_key,
    read_arrays,
    whole_or_none,
    write_arrays,
)

log = logging.getLogger(__name__)

SUMS, SUMS_FORMAT = "crosscoder-sums", 1


@dataclass(frozen=True, eq=False)
class Place:
    """Where a crosscoder reads: a hook point of a model on its own tokens of the text."""

    model: LanguageModel
    tokens: Tokens
    hook: str


@dataclass(frozen=True, eq=False)
class JointCapture:
    """A crosscoder's activations over a text: a store for each place that is asked for, in shards.

    Attributes:
        places: all places, in the crosscoder's order; their tokens are the same text, token by token.
        wanted: numbers of the places whose activations are kept, and that the sums are of.
        key: of the crosscoder's files.
        folder: holds the stores.
    """

    places: Sequence[Place]
    wanted: tuple[int, ...]
    key: str
    folder: Path

    @property
    def tokens(self) -> Tokens:
        return self.places[0].tokens

    def key_at(self, place: int) -> str:
        """Content key of the activations at a place."""
        read = [[p.model.key, p.tokens.key, p.hook] for p in self.places]
        return content_key(["joint activations", FORMAT, self.key, read, list(self.wanted), place])

    def path(self, place: int) -> Path:
        return self.folder / f"crosscoder-{place}-{self.key_at(place)}"

    def stored(self) -> dict[int, ActivationStore] | None:
        """The finished stores by place; None where there is something to capture."""
        found = {place: self._existing(place) for place in self.wanted}
        stores = {place: store for place, store in found.items() if store is not None and store.finished}
        shards = range(len(shard_offsets(self.tokens)) - 1)
        return stores if len(stores) == len(self.wanted) and all(map(self._has_sums, shards)) else None

    def capture(
        self, load: Any, *, batch_tokens: int = 4096, progress: Progress | None = None
    ) -> dict[int, ActivationStore]:
        """Compute the shards that aren't there; all of a shard's stores appear together.

        Args:
            load: gives the crosscoder.
            batch_tokens: positions in one forward pass of each model.
            progress: called with (tokens done, tokens in all).

        Raises:
            ModelError: hidden states aren't finite, or of another width than it reads.
        """
        loaded = cache(load)
        stores: dict[int, ActivationStore] = {}
        offsets, step = shard_offsets(self.tokens), rows_per_shard(self.tokens)
        for shard, (start, stop) in enumerate(itertools.pairwise(offsets)):
            stores = stores or self._existing_all()
            if stores and self._has_sums(shard) and all(s.has_shard(shard) for s in stores.values()):
                log.info("shard %d/%d: reused crosscoder", shard + 1, len(offsets) - 1)
            else:
                log.info("shard %d/%d: computing crosscoder", shard + 1, len(offsets) - 1)
                crosscoder: Crosscoder = loaded()
                stores = stores or {place: self._created(place, crosscoder) for place in self.wanted}
                rows = np.arange(shard * step, min((shard + 1) * step, len(self.tokens.keep)))
                for done in self._shard(crosscoder, stores, shard, rows, batch_tokens):
                    if progress is not None:
                        progress(start + done, offsets[-1])
            if progress is not None:
                progress(stop, offsets[-1])
        return stores or {place: self._created(place, loaded()) for place in self.wanted}

    def sums(self, crosscoder: Crosscoder) -> LatentSums:
        """Of the whole text, from what is kept beside its shards.

        Raises:
            NotWhole: something isn't there, or was changed since it was captured.
        """
        total = LatentSums.zero(len(self.wanted), crosscoder.d_sae, crosscoder.d_in)
        for shard in range(len(shard_offsets(self.tokens)) - 1):
            try:
                total = total + LatentSums(**self._read_sums(shard))
            except NotWhole as error:
                raise NotWhole(f"{error}: run again, only this shard is computed anew") from error
        return total

    def _shard(
        self,
        crosscoder: Crosscoder,
        stores: dict[int, ActivationStore],
        shard: int,
        rows: np.ndarray,
        batch_tokens: int,
    ) -> Iterator[int]:
        done, step = 0, max(1, batch_tokens // self.tokens.length)
        total = LatentSums.zero(len(self.wanted), crosscoder.d_sae, crosscoder.d_in)
        with ExitStack() as stack:
            for store in stores.values():
                shutil.rmtree(store.shard_path(shard), ignore_errors=True)  # left over and not whole
            folders = [
                stack.enter_context(atomic_folder(store.shard_path(shard))) for store in stores.values()
            ]
            writers = [ShardWriter(folder) for folder in folders]
            for first in range(0, len(rows), step):
                batch = rows[first : first + step]
                x = self._states(batch, crosscoder)
                acts = self._encoded(crosscoder, x)
                for place, writer in zip(stores, writers, strict=True):
                    writer.append(acts[place])
                total = total + latent_sums(crosscoder, x, acts, self.wanted)
                done += int(self.tokens.keep[batch].sum())
                yield done
            for writer, store in zip(writers, stores.values(), strict=True):
                writer.close(store.key, shard)
            about = self._about_sums(shard)
            write_arrays(self._sums(shard), SUMS, SUMS_FORMAT, about, total.arrays())
        for store in stores.values():
            store.wrote(shard)

    def _sums(self, shard: int) -> Path:
        return self.path(self.wanted[0]) / f"sums-{shard:05d}.json"

    def _about_sums(self, shard: int) -> dict[str, Any]:
        """Whose sums they are: those of another capture or shard have the same names and shapes."""
        return {"key": self.key_at(self.wanted[0]), "shard": shard}

    def _read_sums(self, shard: int) -> dict[str, np.ndarray]:
        return read_arrays(self._sums(shard), SUMS, SUMS_FORMAT, self._about_sums(shard))

    def _has_sums(self, shard: int) -> bool:
        """Whether a shard's sums are there and as they were written; what isn't is set aside."""
        return whole_or_none(self._sums(shard), lambda _: self._read_sums(shard)) is not None

    def _encoded(self, crosscoder: Crosscoder, x: Any) -> dict[int, Any]:
        if len(crosscoder.rules) == 1:
            return dict.fromkeys(self.wanted, crosscoder.encode_csr(x))
        return {place: crosscoder.encode_csr(x, place=place) for place in self.wanted}

    def _states(self, rows: np.ndarray, crosscoder: Crosscoder) -> Any:
        """(n, places, d) inputs of some rows of the text."""
        import torch

        found: dict[int, Any] = {}
        by_model: dict[int, list[int]] = {}
        for number, place in enumerate(self.places):
            by_model.setdefault(id(place.model), []).append(number)
        for numbers in by_model.values():
            first = self.places[numbers[0]]
            hooks = list(dict.fromkeys(self.places[number].hook for number in numbers))
            states = batch_states(first.model, first.tokens, rows, hooks)
            found |= {number: states[self.places[number].hook] for number in numbers}
        for number, x in found.items():
            if x.shape[-1] != crosscoder.d_in:
                raise ModelError(
                    f"{self.places[number].hook} of {self.places[number].model.name} gives vectors of "
                    f"{x.shape[-1]}, but {crosscoder.path} reads {crosscoder.d_in}: it is of other models"
                )
            if not all_finite(x):
                raise ModelError(
                    f"hidden states at {self.places[number].hook} of {self.places[number].model.name} aren't "
                    "finite: load the model in float32 or bfloat16"
                )
        return torch.stack([found[number].float().cpu() for number in range(len(self.places))], dim=1).to(
            crosscoder.W_dec.device
        )

    def _created(self, place: int, crosscoder: Crosscoder) -> ActivationStore:
        return ActivationStore.create(
            self.path(place),
            key=self.key_at(place),
            hook_name=self.places[place].hook,
            width=crosscoder.d_sae,
            shard_offsets=shard_offsets(self.tokens),
            dense=False,
            token_ids=self.tokens.token_ids,
            document_offsets=self.tokens.document_offsets,
        )

    def _existing_all(self) -> dict[int, ActivationStore]:
        found = {place: self._existing(place) for place in self.wanted}
        return {p: s for p, s in found.items() if s is not None} if all(found.values()) else {}

    def _existing(self, place: int) -> ActivationStore | None:
        return existing_store(self.path(place), self.key_at(place))
