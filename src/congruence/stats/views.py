"""Views of a source: its tokens shifted round the corpus, some of them, or some more than once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from congruence.stats.sources import CsrSource, DenseSource, Source, canonical, densified


def shifted(source: Source, shift: int) -> Source:
    """`source` with its token t in the place of t + shift, round the corpus."""
    if isinstance(source, CsrSource | DenseSource):
        kept = np.arange(source.n) if source.kept is None else source.kept
        return replace(source, kept=np.roll(kept, shift))
    return _Shifted(source, shift % max(1, source.n))


def repeated(source: Source, times: np.ndarray) -> Source:
    """`source` with each token `times` (n,) over, one behind the other; 0 leaves it out."""
    if isinstance(source, CsrSource | DenseSource):
        kept = np.arange(source.n) if source.kept is None else source.kept
        return replace(source, kept=np.repeat(kept, times))
    return _Repeated(source, times)


def chosen_features(source: Source, features: np.ndarray) -> Source:
    """`source` with some of its features alone: feature i is `features[i]`."""
    if isinstance(source, DenseSource):
        return replace(source, dense=source.dense[:, features])
    return _Chosen(source, features)


@dataclass(frozen=True)
class _Shifted:
    source: Source
    shift: int
    dense: None = None

    @property
    def n(self) -> int:
        return self.source.n

    @property
    def n_features(self) -> int:
        return self.source.n_features

    def blocks(self) -> Iterator[tuple[np.ndarray, sparse.csr_array]]:
        """(row numbers, CSR block): the last `shift` tokens, then the others."""
        cut = self.n - self.shift
        for low, high in ((cut, self.n), (0, cut)):
            start = 0
            for rows, block in self.source.blocks():
                first, last = max(low - start, 0), min(high - start, len(rows))
                start += len(rows)
                if first < last:
                    yield rows[first:last], block[first:last]

    def dense_blocks(self, rows: int) -> Iterator[np.ndarray]:
        """The same tokens as dense blocks of `rows` tokens, the last one shorter."""
        yield from densified(self, rows)


@dataclass(frozen=True)
class _Repeated:
    source: Source
    times: np.ndarray
    dense: None = None

    @property
    def n(self) -> int:
        return int(self.times.sum())

    @property
    def n_features(self) -> int:
        return self.source.n_features

    def blocks(self) -> Iterator[tuple[np.ndarray, sparse.csr_array]]:
        """(row numbers, CSR block), each token as often as it counts."""
        start = 0
        for rows, block in self.source.blocks():
            at = np.repeat(np.arange(len(rows)), self.times[start : start + len(rows)])
            start += len(rows)
            yield rows[at], block[at]

    def dense_blocks(self, rows: int) -> Iterator[np.ndarray]:
        """The same tokens as dense blocks of `rows` tokens, the last one shorter."""
        yield from densified(self, rows)


@dataclass(frozen=True)
class _Chosen:
    source: Source
    features: np.ndarray
    dense: None = None

    @property
    def n(self) -> int:
        return self.source.n

    @property
    def n_features(self) -> int:
        return len(self.features)

    def blocks(self) -> Iterator[tuple[np.ndarray, sparse.csr_array]]:
        """(row numbers, CSR block) of the features chosen."""
        for rows, block in self.source.blocks():
            yield rows, canonical(block[:, self.features])

    def dense_blocks(self, rows: int) -> Iterator[np.ndarray]:
        """The same tokens as dense blocks of `rows` tokens, the last one shorter."""
        yield from densified(self, rows)
