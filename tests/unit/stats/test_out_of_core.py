"""Stored activations are read block by block: memory is that of the layouts, not of the activations."""

import tracemalloc

import numpy as np
from scipy import sparse

from congruence.matching import held_out, match
from congruence.stats import prepare, top_tokens

N, F, FIRING, BLOCK = 30_000, 3_000, 30, 1_000


class Stored:
    """A FeatureActs that makes its blocks when they are asked for, as a store reads them."""

    shape = (N, F)
    document_offsets = np.arange(0, N + 1, 100)

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __iter__(self):
        for start in range(0, N, BLOCK):
            rng = np.random.default_rng([self.seed, start])
            column = (rng.integers(0, F // FIRING, (BLOCK, FIRING)) + np.arange(0, F, F // FIRING)).ravel()
            value = rng.exponential(size=column.size).astype(np.float32)
            pointer = np.arange(0, column.size + 1, FIRING, dtype=np.int32)
            yield sparse.csr_array((value, column.astype(np.int32), pointer), shape=(BLOCK, F))


def _peak(work) -> int:
    work()  # what is compiled or imported doesn't count
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_is_that_of_the_layouts():
    entries, block = N * FIRING, 8 * BLOCK * FIRING
    layouts = 8 * (entries + F) + 6 * entries + 16 * N * 2
    rest = 2 * F * (80 + 24 * 2) + 8 * block + 2 * 65_536 * (26 + 24 * 2)
    activations = 2 * 8 * entries

    def compare() -> None:
        a, b = prepare(Stored(0)), prepare(Stored(1))
        pairs = match(a, b, method="many_to_one")
        held_out(a, b, pairs, mask=np.arange(N) % 2 == 0)
        top_tokens(a, np.zeros(N, int))

    peak = _peak(compare)
    assert (
        peak < layouts + 8 * entries + rest
    )  # held_out lays out the features in pairs of half of the tokens
    whole = [sparse.vstack(list(Stored(seed)), format="csr") for seed in (0, 1)]
    assert sum(side.data.nbytes + side.indices.nbytes for side in whole) == activations


def test_moments_and_top_tokens_hold_one_block():
    layer = Stored(0)
    peak = _peak(lambda: top_tokens(prepare(layer), np.zeros(N, int)))
    assert peak < 200 * F + 6 * 8 * BLOCK * FIRING + 16 * N
    assert peak < 8 * N * FIRING / 2


def test_layouts_are_freed_when_asked():
    a, b = prepare(Stored(0)), prepare(Stored(1))
    first = match(a, b, method="many_to_one")
    assert a._layouts
    assert b._layouts
    for side in (a, b):
        side.drop_layouts()
        assert not side._layouts
    np.testing.assert_array_equal(match(a, b, method="many_to_one").r, first.r)
