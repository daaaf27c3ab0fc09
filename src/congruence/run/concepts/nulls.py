"""Nulls that draw other features: random subsets, pairs of the whole space, unrelated keywords."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from congruence.concepts.ragged import Ragged
from congruence.concepts.random_sets import random_sets
from congruence.concepts.subset_pairing import SubsetPairing
from congruence.rng import derive
from congruence.run.concepts.layer import LayerConcepts

ATTEMPTS = 5
"""Draws that give too few pairs are made anew up to so many times."""


@dataclass(frozen=True)
class DrawnPairs:
    """Pairs of features drawn by a null.

    Attributes:
        a, b: paired features of either side, a list for each draw that gave enough.
        unusable: draws that gave too few pairs, among all that were made.
        made: draws made.
        why: what is wrong where there are none.
    """

    a: Ragged
    b: Ragged
    unusable: int = 0
    made: int = 0
    why: str = ""


Attempt = Callable[[int], tuple[Ragged, Ragged]]
"""attempt number -> subsets of side a and side b, a list for each draw."""


def subset_pairs(
    name: str,
    a: LayerConcepts,
    b: LayerConcepts,
    sizes: tuple[int, int],
    pairing: SubsetPairing,
    *,
    draws: int,
    min_pairs: int,
    threads: int = 1,
) -> DrawnPairs:
    """Null `subset`: random features, as many on each side, paired by the same rule (the papers' Test 2)."""

    def attempt(number: int) -> tuple[Ragged, Ragged]:
        return (
            a.random_subsets(name, sizes[0], draws, number),
            b.random_subsets(name, sizes[1], draws, number),
        )

    return paired_draws(attempt, pairing, draws=draws, min_pairs=min_pairs, threads=threads)


def unrelated_pairs(
    name: str,
    a: LayerConcepts,
    b: LayerConcepts,
    pairing: SubsetPairing,
    *,
    draws: int,
    min_pairs: int,
    threads: int = 1,
) -> DrawnPairs:
    """Null `unrelated_keywords`: the features of as many words, as frequent, drawn from the corpus."""

    def attempt(number: int) -> tuple[Ragged, Ragged]:
        return (
            a.unrelated_members(name, draws, number),
            b.unrelated_members(name, draws, number),
        )

    return paired_draws(attempt, pairing, draws=draws, min_pairs=min_pairs, threads=threads)


def size_matched_pairs(
    whole_a: Int[np.ndarray, " w"],
    whole_b: Int[np.ndarray, " w"],
    size: int,
    *,
    draws: int,
    seed: int,
    path: tuple[str, ...],
) -> DrawnPairs:
    """Null `size_matched`: as many pairs drawn from the correlated pairs of the whole space.

    Args:
        whole_a, whole_b: features of the pairs that the run keeps in this cell.
        size: pairs in the subspace.
        draws: number of draws.
        seed, path: what they derive from.
    """
    if len(whole_a) < size:
        empty = Ragged.of([])
        return DrawnPairs(
            empty, empty, why=f"the whole space has {len(whole_a)} pairs, and {size} are needed"
        )
    rng = derive(seed, "concepts", "size_matched", *path)
    chosen = random_sets(np.arange(len(whole_a)), size, draws, rng)
    return DrawnPairs(
        Ragged(whole_a[chosen.values], chosen.offsets),
        Ragged(whole_b[chosen.values], chosen.offsets),
        made=draws,
    )


def paired_draws(
    attempt: Attempt, pairing: SubsetPairing, *, draws: int, min_pairs: int, threads: int = 1
) -> DrawnPairs:
    """The first `draws` draws that give enough pairs, of as many attempts as it takes."""
    kept_a: list[Ragged] = []
    kept_b: list[Ragged] = []
    made = usable = 0
    for number in range(ATTEMPTS):
        found_a, found_b = pairing.draws(*attempt(number), threads=threads)
        enough = np.flatnonzero(found_a.lengths >= min_pairs)[: draws - usable]
        usable += len(enough)
        complete = usable == draws
        made += int(enough[-1]) + 1 if complete else len(found_a)
        kept_a.append(found_a.take(enough))
        kept_b.append(found_b.take(enough))
        if complete or not usable:
            break
    why = "" if usable else f"no draw gave {min_pairs} pairs"
    return DrawnPairs(Ragged.joined(kept_a), Ragged.joined(kept_b), made - usable, made, why)
