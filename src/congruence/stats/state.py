"""Correlating batches that come one by one, in any order, from any number of processes."""

from typing import Any

import numpy as np

from congruence.errors import InputError
from congruence.stats.correlation import correlate
from congruence.stats.documents import half_weights
from congruence.stats.moments import MomentsState
from congruence.stats.prepared import PreparedActs
from congruence.stats.records import Correlation
from congruence.stats.sources import ShardsSource, open_source


class CoactivationState:
    """What batches of tokens add up to: update, merge, and finalize into a :class:`Correlation`.

    The sums themselves would be the f x g matrix; the entries that make them are far fewer, so the state is
    those entries, and the moments. Neither the order of the batches nor their size changes the answer by more
    than rounding (1e-7). Memory 8 bytes an entry and 64 (f + g).

    Args:
        n_features_a, n_features_b: features of each side.
    """

    def __init__(self, n_features_a: int, n_features_b: int) -> None:
        self._moments = MomentsState(n_features_a), MomentsState(n_features_b)
        self._shards: tuple[list[Any], list[Any]] = [], []
        self._documents: list[np.ndarray] = []

    @property
    def n(self) -> int:
        """Tokens seen."""
        return self._moments[0].n

    def update(self, batch_a: Any, batch_b: Any, *, documents: np.ndarray | None = None) -> None:
        """Add a batch of tokens.

        Args:
            batch_a, batch_b: (n, f) and (n, g) activations of the same tokens, as for :func:`correlate`.
            documents: (n,) a number that says which document each token is of; needed for :meth:`halves`. By
                default a batch is a document of its own.

        Raises:
            InputError: the batch doesn't fit the state.
        """
        sources = open_source(batch_a), open_source(batch_b)
        for source, moments, side in zip(sources, self._moments, "ab", strict=True):
            if source.n_features != len(moments.sums):
                raise InputError(
                    f"batch_{side} has {source.n_features} features, the state {len(moments.sums)}: give "
                    "batches of one pair of layers"
                )
        n = sources[0].n
        documents = np.full(n, _new_document(self._documents)) if documents is None else np.asarray(documents)
        if sources[1].n != n or documents.shape != (n,):
            raise InputError(
                f"batch_a has {n} tokens, batch_b {sources[1].n}, documents {documents.shape}: give the same "
                "tokens"
            )
        for source, moments, shards in zip(sources, self._moments, self._shards, strict=True):
            for _, block in source.blocks():
                moments.update(block)
                shards.append(block)
        self._documents.append(documents)

    def merge(self, other: "CoactivationState") -> None:
        """Take in what another state has seen."""
        for own, fresh in zip(self._moments, other._moments, strict=True):
            own.merge(fresh)
        for own, fresh in zip(self._shards, other._shards, strict=True):
            own.extend(fresh)
        self._documents.extend(other._documents)

    def finalize(self, **options: Any) -> Correlation:
        """The correlation of everything seen; `options` are those of :func:`correlate`."""
        a, b = (
            PreparedActs(ShardsSource(tuple(shards), len(moments.sums)), moments.finalize())
            for shards, moments in zip(self._shards, self._moments, strict=True)
        )
        return correlate(a, b, **options)

    def halves(self, *, rng: np.random.Generator, **options: Any) -> tuple[Correlation, Correlation]:
        """The correlations of a random half of the documents and of the other half.

        Raises:
            InputError: there are fewer than two documents.
        """
        documents = np.concatenate(self._documents) if self._documents else np.empty(0, np.int64)
        names, place = np.unique(documents, return_inverse=True)
        first = half_weights(len(names), rng=rng)[0][place] > 0
        return self._part(first).finalize(**options), self._part(~first).finalize(**options)

    def _part(self, keep: np.ndarray) -> "CoactivationState":
        """A state of some of the tokens."""
        part = CoactivationState(*(len(moments.sums) for moments in self._moments))
        for shards, moments, kept in zip(self._shards, part._moments, part._shards, strict=True):
            start = 0
            for shard in shards:
                stop = start + len(shard.indptr) - 1
                kept.append(shard[np.flatnonzero(keep[start:stop])])
                moments.update(kept[-1])
                start = stop
        return part


def _new_document(documents: list[np.ndarray]) -> int:
    return 1 + max((int(numbers.max(initial=-1)) for numbers in documents), default=-1)
