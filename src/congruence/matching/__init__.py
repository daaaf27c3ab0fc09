"""Pairing the features of two sides."""

from congruence.careful import guard
from congruence.matching.assignment import assignment
from congruence.matching.best import many_to_one, mutual_best, one_to_one
from congruence.matching.constant import with_constant_features
from congruence.matching.crosscoder import (
    Judged,
    crosscoder,
    judge_matching,
    partners_through,
    relative_norms,
)
from congruence.matching.decoders import decoder_cosine
from congruence.matching.from_graph import (
    assignment_from_graph,
    correlation_of,
    greedy_from_graph,
    mutual_best_from_graph,
)
from congruence.matching.greedy import greedy
from congruence.matching.held_out import held_out, null_of_best_r
from congruence.matching.inside import InsidePairing, SubsetPairing
from congruence.matching.one_of_each import one_of_each
from congruence.matching.registry import MATCHERS, Matcher, check_options, match, match_decoders
from congruence.matching.subsets import LayerColumns, Ragged
from congruence.matching.transport import transport, transport_plan

__all__ = [
    "MATCHERS",
    "InsidePairing",
    "Judged",
    "LayerColumns",
    "Matcher",
    "Ragged",
    "SubsetPairing",
    "assignment",
    "assignment_from_graph",
    "check_options",
    "correlation_of",
    "crosscoder",
    "decoder_cosine",
    "greedy",
    "greedy_from_graph",
    "held_out",
    "judge_matching",
    "many_to_one",
    "match",
    "match_decoders",
    "mutual_best",
    "mutual_best_from_graph",
    "null_of_best_r",
    "one_of_each",
    "one_to_one",
    "partners_through",
    "relative_norms",
    "transport",
    "transport_plan",
    "with_constant_features",
]

guard(globals())
