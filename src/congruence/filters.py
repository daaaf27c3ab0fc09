"""Filters of pairs: each gives a keep-mask; `apply_filters` runs a list of them and counts what each took."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Int

from congruence.careful import guard
from congruence.errors import ConfigError
from congruence.options import Rule, at_least, check_arguments
from congruence.records import Matching
from congruence.registry import Registry
from congruence.rng import derive

__all__ = ["FILTERS", "FilterStep", "Filtered", "Pairs", "apply_filters", "encode_tokens"]

NON_CONCEPT_TOKENS = ("\\n", "\n", "", " ", ".", ",", "!", "?", "-")
PUBLISHED_SPECIAL_TOKENS = ("<|endoftext|>", "<bos>", "<eos>", "<pad>")

SIMILARITY = Rule("a number below 1, such as 0.1", lambda value: value < 1)
MARGIN = Rule("a number from 0 and below 2, such as 0.05", lambda value: 0 <= value < 2)
LEVEL = Rule("a share between 0 and 1, such as 0.05", lambda value: 0 < value < 1)


@dataclass(frozen=True)
class Pairs:
    """Pairs of features and their top tokens as codes into one list of strings.

    Attributes:
        matching: p pairs.
        tokens_a, tokens_b: (p, k) codes into `strings`, strongest token first; -1 where a feature fires on
            fewer than k tokens.
        strings: decoded tokens; equal strings have equal codes on both sides.
        special: strings of the tokenizers' special tokens.
    """

    matching: Matching
    tokens_a: Int[np.ndarray, "p k"]
    tokens_b: Int[np.ndarray, "p k"]
    strings: Sequence[str]
    special: frozenset[str] = frozenset()

    def select(self, keep: np.ndarray) -> "Pairs":
        """The pairs at a boolean mask."""
        return Pairs(
            self.matching.select(keep),
            self.tokens_a[keep],
            self.tokens_b[keep],
            self.strings,
            self.special,
        )


def encode_tokens(
    tokens_a: Sequence[Sequence[str]], tokens_b: Sequence[Sequence[str]], *, k: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Codes (p, k) of both sides' token lists, and the strings that they stand for."""
    codes: dict[str, int] = {}

    def encode(lists: Sequence[Sequence[str]]) -> np.ndarray:
        table = np.full((len(lists), k), -1, dtype=np.int64)
        for row, tokens in zip(table, lists, strict=True):
            for position, token in enumerate(tokens[:k]):
                row[position] = codes.setdefault(token, len(codes))
        return table

    encoded_a, encoded_b = encode(tokens_a), encode(tokens_b)
    return encoded_a, encoded_b, list(codes)


Filter = Callable[..., np.ndarray]
"""(pairs, **options) -> keep: a boolean mask (p,)."""

FILTERS: Registry[Filter] = Registry("filter", "filters")


@dataclass(frozen=True)
class FilterStep:
    """A registered filter by name, with its options."""

    name: str
    options: Mapping[str, Any]

    def checked(self) -> "FilterStep":
        """The step with its options as the filter takes them, from its keyword parameters' annotations.

        Raises:
            ConfigError: no such filter, no such option, a value of another type or range, or none.
        """
        options = check_arguments(FILTERS.get(self.name), self.options, f"filter {self.name!r}")
        return FilterStep(self.name, options)


@dataclass(frozen=True)
class Filtered:
    """What a list of filters left, and what each took.

    Attributes:
        pairs: those kept.
        removed_by: (p,) name of the step that removed each of the original pairs; "" where kept.
        removed: {step name: number of pairs it removed}, in order; a step that took nothing says 0.
    """

    pairs: Pairs
    removed_by: np.ndarray
    removed: Mapping[str, int]


def apply_filters(pairs: Pairs, steps: Sequence[FilterStep]) -> Filtered:
    """Run the steps in order; each sees only what the ones before it left.

    Raises:
        ConfigError: as :meth:`FilterStep.checked`.
    """
    removed_by = np.full(len(pairs.matching), "", dtype=object)
    remaining = np.arange(len(pairs.matching))
    removed: dict[str, int] = {}
    for step in steps:
        keep = _keep(step, pairs)
        removed_by[remaining[~keep]] = step.name
        removed[step.name] = removed.get(step.name, 0) + int(np.count_nonzero(~keep))
        remaining, pairs = remaining[keep], pairs.select(keep)
    return Filtered(pairs, removed_by, removed)


def _keep(step: FilterStep, pairs: Pairs) -> np.ndarray:
    return np.asarray(FILTERS.get(step.name)(pairs, **step.checked().options), dtype=bool)


@FILTERS.register("non_concept")
def non_concept(pairs: Pairs, *, tokens: Sequence[str] = NON_CONCEPT_TOKENS) -> np.ndarray:
    """Keep a pair unless one of the top tokens of either feature *equals* a non-concept string.

    The tokenizers' own special tokens count as well. " ." is not ".": the comparison is exact, as published.
    Lan et al. 2024, appendix F, filter 1.
    """
    codes = _codes(pairs, {*tokens, *PUBLISHED_SPECIAL_TOKENS, *pairs.special})
    return np.logical_not(np.isin(_both(pairs), codes).any(axis=1))


def _codes(pairs: Pairs, strings: Collection[str]) -> np.ndarray:
    return np.array([code for code, string in enumerate(pairs.strings) if string in strings], dtype=np.int64)


def _both(pairs: Pairs) -> np.ndarray:
    """(p, 2 k) codes of the top tokens of either feature."""
    return np.concatenate([pairs.tokens_a, pairs.tokens_b], axis=1)


@FILTERS.register("random_tokens")
def random_tokens(pairs: Pairs, *, seed: Annotated[int, at_least(0)] = 0) -> np.ndarray:
    """Drop as many pairs as `non_concept` would, by tokens drawn at random: its control.

    Strings that aren't non-concept ones are drawn one after another, each with every pair that has it among
    its top tokens; the last one takes no more pairs than are left to take. Does a score rise because
    punctuation goes, or would fewer pairs by any rule on tokens do the same? Ours, after the control
    of Lan et al. 2024, appendix A.
    """
    left = int(np.count_nonzero(~non_concept(pairs)))
    both = _both(pairs)
    spared = _codes(pairs, {*NON_CONCEPT_TOKENS, *PUBLISHED_SPECIAL_TOKENS, *pairs.special})
    rows, places = np.nonzero(both >= 0)
    codes = both[rows, places]
    order = np.argsort(codes, kind="stable")
    rows, codes = rows[order], codes[order]
    there = sorted(set(codes.tolist()) - set(spared.tolist()), key=lambda code: str(pairs.strings[code]))
    gone = np.zeros(len(both), dtype=bool)
    for place in derive(seed, "filter", "random_tokens").permutation(len(there)).tolist():
        low, high = np.searchsorted(codes, [there[place], there[place] + 1])
        taken = np.unique(rows[low:high][~gone[rows[low:high]]])[:left]
        gone[taken] = True
        left -= len(taken)
    return ~gone


@FILTERS.register("shared_token")
def shared_token(pairs: Pairs) -> np.ndarray:
    """Keep a pair if the two lists of top tokens have a string in common.

    Lan et al. 2024, appendix F, filter 2.
    """
    common = (pairs.tokens_a[:, :, None] == pairs.tokens_b[:, None, :]) & (pairs.tokens_a[:, :, None] >= 0)
    return common.any(axis=(1, 2))


@FILTERS.register("one_to_one")
def one_to_one(pairs: Pairs, *, keep: Literal["best", "first"] = "best") -> np.ndarray:
    """Keep, of the pairs that share a feature on either side, the best-correlated or the first.

    ``first`` goes by the index of the feature that sought its partner and is what the code of Lan et al. 2024
    does (appendix F, filter 3); ``best`` keeps the highest r, ties to the first.
    """
    from congruence.matching import one_of_each

    matching = pairs.matching
    return one_of_each(matching.feature_a, matching.feature_b, matching.r, keep=keep)


@FILTERS.register("min_r")
def min_r(pairs: Pairs, *, value: Annotated[float, SIMILARITY]) -> np.ndarray:
    """Keep a pair with r > value. Lan et al. 2024 (in the code, not in the paper): 0.1."""
    return pairs.matching.r > value


@FILTERS.register("min_cofirings")
def min_cofirings(pairs: Pairs, *, value: Annotated[int, at_least(0)]) -> np.ndarray:
    """Keep a pair whose features fire together on at least `value` tokens. Ours."""
    return pairs.matching.cofirings >= value


@FILTERS.register("min_firings")
def min_firings(pairs: Pairs, *, value: Annotated[int, at_least(0)]) -> np.ndarray:
    """Keep a pair of which both features fire on at least `value` tokens. Ours."""
    return np.minimum(pairs.matching.firings_a, pairs.matching.firings_b) >= value


@FILTERS.register("min_margin")
def min_margin(pairs: Pairs, *, value: Annotated[float, MARGIN]) -> np.ndarray:
    """Keep a pair whose r exceeds that of the second-best partner by more than `value`. Ours."""
    return pairs.matching.margin > value


@FILTERS.register("mutual")
def mutual(pairs: Pairs) -> np.ndarray:
    """Keep a pair whose features are each other's best partner. Ours."""
    return pairs.matching.mutual.copy()


@FILTERS.register("beats_null")
def beats_null(pairs: Pairs, *, alpha: Annotated[float, LEVEL] = 0.05) -> np.ndarray:
    """Keep a pair whose r is beyond the best r of unrelated text (p_r ≤ alpha). Ours.

    Raises:
        ConfigError: that null wasn't drawn.
    """
    if pairs.matching.p_r is None:
        raise ConfigError("beats_null needs the null of the best r: set pairing.null_draws, e.g. 20")
    return pairs.matching.p_r <= alpha


guard(globals())
