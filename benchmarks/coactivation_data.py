"""Made-up activations with realistic firing rates, in memory or on disk, for the benchmarks beside this file.

Firing rates fall off as a power law of rank, (rank + 10)^-0.9 in random order, so that a few features fire
on half of the tokens and most on few; `l0` features fire a token. A third of what B fires on a token are
partners of what A fires there, by a fixed pairing, so that there is something to find. Strengths are
exponential.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

EXPONENT, OFFSET, SHARED = 0.9, 10.0, 1 / 3
_BLOCK = 8192


class MadeUpSides:
    """Two sides of one corpus, block by block; the same blocks come again from the same seed."""

    def __init__(self, tokens: int, features: int, l0: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        rates = (np.arange(features) + OFFSET) ** -EXPONENT
        # Two draws of one feature on one token are one firing: draw more.
        self.draws = _draws_for(rates / rates.sum(), l0)
        self.shape, self.seed = (tokens, features), seed
        self.cumulative = np.cumsum(rates) / rates.sum()
        self.names = rng.permutation(features), rng.permutation(features)

    def blocks(self) -> Iterator[tuple[sparse.csr_array, sparse.csr_array]]:
        """(A, B) for successive runs of tokens."""
        for start in range(0, self.shape[0], _BLOCK):
            rng = np.random.default_rng([self.seed, start])
            n = min(_BLOCK, self.shape[0] - start)
            ranks_a, ranks_b = (self._ranks(rng, n) for _ in range(2))
            shared = rng.random(ranks_b.shape) < SHARED
            ranks_b = np.where(shared, ranks_a, ranks_b)
            yield self._block(ranks_a, self.names[0], rng), self._block(ranks_b, self.names[1], rng)

    def matrices(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Both sides in memory."""
        parts = list(zip(*self.blocks(), strict=True))
        a, b = (sparse.csr_array(sparse.vstack(side, format="csr")) for side in parts)
        return a, b

    def _ranks(self, rng: np.random.Generator, n: int) -> np.ndarray:
        drawn = np.searchsorted(self.cumulative, rng.random((n, self.draws)))
        return np.minimum(drawn, self.shape[1] - 1)

    def _block(self, ranks: np.ndarray, names: np.ndarray, rng: np.random.Generator) -> sparse.csr_array:
        n, features = len(ranks), self.shape[1]
        keys = np.unique((np.arange(n)[:, None] * features + names[ranks]).ravel())
        data = rng.exponential(size=len(keys)).astype(np.float32) + np.float32(0.05)
        pointer = np.searchsorted(keys, np.arange(n + 1) * features)
        indices = (keys % features).astype(np.int32)
        return sparse.csr_array((data, indices, pointer.astype(np.int32)), shape=(n, features))


class Stored:
    """One side on disk, read back a run of tokens at a time: what `congruence.activations` stores."""

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        from congruence.activations.store import ActivationStore

        cuts = (*range(0, shape[0], _BLOCK * 16), shape[0])
        documents = np.append(np.arange(0, shape[0], 500), shape[0])
        self.store = ActivationStore.create(
            path, key="benchmark", hook_name="made up", width=shape[1], shard_offsets=cuts, dense=False,
            token_ids=np.zeros(shape[0], np.int32), document_offsets=documents,
        )  # fmt: skip
        self._writer, self._rows, self._shard = None, 0, 0

    def append(self, block: sparse.csr_array) -> None:
        """Write the next run of tokens; runs don't cross shards."""
        from congruence.activations.shards import ShardWriter

        if self._rows in self.store.shard_offsets:
            self.close()
            self._shard = self.store.shard_offsets.index(self._rows)
            folder = self.store.shard_path(self._shard)
            folder.mkdir(parents=True)
            self._writer = ShardWriter(folder)
        self._writer.append(block)
        self._rows += block.shape[0]

    def close(self) -> None:
        """Finish the shard that is being written."""
        if self._writer is not None:
            self._writer.close("benchmark", self._shard)


def write_sides(folder: Path, tokens: int, features: int, l0: int) -> None:
    """Both sides on disk, in folders a and b, without ever holding them in memory."""
    sides = MadeUpSides(tokens, features, l0)
    stores = [Stored(folder / side, sides.shape) for side in "ab"]
    for blocks in sides.blocks():
        for store, block in zip(stores, blocks, strict=True):
            store.append(block)
    for store in stores:
        store.close()


def _draws_for(probabilities: np.ndarray, l0: int) -> int:
    """Draws with replacement that leave about `l0` different features."""
    low, high = l0, 100 * l0
    while low < high:
        middle = (low + high) // 2
        if -np.expm1(middle * np.log1p(-probabilities)).sum() < l0:
            low = middle + 1
        else:
            high = middle
    return low
