"""The tables of a finished run: every column, its type, and what it means; writer and reader go by it."""

from congruence.run.columns import NAN, PLACE, Column
from congruence.run.function_schema import FUNCTION, STITCHING, SUBSTITUTION, TRANSFER
from congruence.run.models_schema import CONSENSUS, CYCLES, MATRIX, UNIVERSALITY
from congruence.storage import generations

KIND, FORMAT_VERSION = "run", 3
"""Of run.json, the record of a finished run."""
UNSEALED = 2
"""The format of runs that were written without checksums, which are read as they are."""

RESULTS = (
    *PLACE[:2],
    Column(
        "concept", "text", "`all` for the whole space, else the concept, union or phrases", "all", needed=True
    ),
    Column("subspace", "text", "all, semantic, overlap, multi_token or interaction", "all"),
    *PLACE[2:],
    Column(
        "measure", "text", "the measure with those of its options that aren't the default", None, needed=True
    ),
    Column("n", "int64", "pairs of features that the score rests on", 0, needed=True),
    Column("null", "text", "what the score is tested against", None, needed=True),
    Column("draws", "int64", "draws of the null; 0: not tested", 0),
    Column("scored", "int64", "draws that gave a score; the others count against the claim", 0),
    Column("seed", "int64", "the run's", 0),
    Column("value", "float64", "the score", NAN, needed=True),
    Column("low", "float64", "lower end of its interval, where one was asked for", NAN),
    Column("high", "float64", "upper end", NAN),
    Column("interval", "text", "what the interval resamples: pairs, documents, or nothing", ""),
    Column("null_mean", "float64", "mean score of the draws", NAN),
    Column("null_std", "float64", "their standard deviation", NAN),
    Column("null_q05", "float64", "their 5 % point", NAN),
    Column("null_q50", "float64", "their median", NAN),
    Column("null_q95", "float64", "their 95 % point", NAN),
    Column("z", "float64", "(value − null_mean) / null_std", NAN),
    Column("p", "float64", "(1 + draws at least as extreme) / (1 + draws)", NAN, needed=True),
    Column("corrected", "float64", "(value − null_mean) / (1 − null_mean)", NAN),
    Column(
        "calibrated", "float64", "0 at the 95 % point of the null, 1 at the most the measure can give", NAN
    ),
    Column(
        "ceiling", "float64", "the same measure between SAEs of two seeds of one model, at these layers", NAN
    ),
    Column("alternative", "text", "which scores are extreme: greater, less or two-sided", "greater"),
    Column("details", "record", "what the measure and the selection say besides", ()),
    Column("warnings", "texts", "reasons to doubt the value, or why there is none", ()),
    Column("seconds", "float64", "spent on this row", 0.0),
    Column(
        "q",
        "float64",
        "Benjamini-Hochberg over the layer pairs of one control, concept, measure and null",
        NAN,
        needed=True,
    ),
    Column(
        "p_max_t", "float64", "p allowing for the choice of the best of them, from synchronised draws", NAN
    ),
)

CELLS = (
    *PLACE,
    Column("alive_a", "int64", "features of a that fire at all", -1),
    Column("alive_b", "int64", "features of b that fire at all", -1),
    Column("unmatched_a", "int64", "living features of a without a pair after filtering", -1),
    Column("unmatched_b", "int64", "living features of b without a pair after filtering", -1),
    Column("pairs_before", "int64", "pairs that the matcher made", None, needed=True),
    Column("pairs_after", "int64", "pairs that the filters kept", None, needed=True),
    Column("mean_r_before", "float64", "mean r of the matcher's pairs", NAN, needed=True),
    Column("mean_r_after", "float64", "mean r of the kept pairs", NAN, needed=True),
    Column("removed", "records", "{step, pairs}: how many pairs each filter took, in order", ()),
    Column("seconds", "float64", "spent on the cell", 0.0),
)

MATCHES = (
    *PLACE,
    Column("feature_a", "int64", "feature of a", None, needed=True),
    Column("feature_b", "int64", "feature of b", None, needed=True),
    Column("r", "float64", "similarity of their activations", None, needed=True),
    Column("firings_a", "int64", "tokens on which the feature of a fires", -1),
    Column("firings_b", "int64", "tokens on which the feature of b fires", -1),
    Column("cofirings", "int64", "tokens on which both fire", -1),
    Column("margin", "float64", "r minus the r of the second-best partner", NAN),
    Column("mutual", "bool", "each is the other's best partner", False),
    Column(
        "null_r", "float64", "95 % point of the best r of unrelated text; NaN without pairing.null_draws", NAN
    ),
    Column("p_r", "float64", "p of r against that null", NAN),
    Column(
        "logit_r",
        "float64",
        "correlation of what both add to the logits of shared tokens; NaN without function: logit_weights",
        NAN,
    ),
    Column("kept", "bool", "the filters kept it", None, needed=True),
    Column("removed_by", "text", "the filter that took it, or nothing", ""),
    Column("top_tokens_a", "texts", "tokens on which the feature of a fires most strongly", ()),
    Column("top_tokens_b", "texts", "the same of b", ()),
)

KEYWORDS = (
    *PLACE,
    Column("concept", "text", "the concept or union"),
    Column("subspace", "text", "semantic or overlap"),
    Column("keyword", "text", "one of its keywords", None, needed=True),
    Column("features_a", "int64", "matched features of a that fire on it", None, needed=True),
    Column("features_b", "int64", "the same of b", None, needed=True),
    Column("pairs", "int64", "pairs of which both do", None, needed=True),
    Column("corpus_count", "int64", "how often it stands in the text", -1),
    Column(
        "ratio",
        "float64",
        "share of features over share of occurrences: above 1, overrepresented",
        None,
        needed=True,
    ),
    Column("p", "float64", "binomial p of that share"),
    Column("n_without", "int64", "pairs of the concept without the keyword; −1: not tried", -1),
    Column("without", "records", "{measure, value}: scores without the keyword", ()),
    Column("change", "records", "{measure, value}: those minus the scores with it", ()),
)

FEATURES = (
    Column("side", "text", "the model that the feature is of: a or b", None, needed=True),
    Column("layer", "int64", "its block", None, needed=True),
    Column("feature", "int64", "the feature, which fires on this text", None, needed=True),
    Column("firings", "int64", "tokens on which it fires", -1),
    Column("occasions", "float64", "documents on which it fires, as many as weigh alike", NAN),
    Column("partner_layer", "int64", "block of the other model in which its best partner lies; −1: none", -1),
    Column("partner", "int64", "that feature; −1: none", -1),
    Column(
        "r", "float64", "their correlation: the best over all layers of the other model", NAN, needed=True
    ),
    Column("cofirings", "int64", "tokens on which both fire", -1),
    Column("mutual", "bool", "within the two layers each is the other's best partner", False),
    Column("null_r", "float64", "95 % point of the best r of unrelated text at its firing rate", NAN),
    Column("p", "float64", "p of r against that", NAN),
    Column("q", "float64", "Benjamini-Hochberg over the features of the side", NAN),
    Column("ceiling", "float64", "its best r in other SAEs of its own model", NAN),
    Column(
        "ceiling_of", "text", "which: `seed`, another seed's; `layers`, those of other layers; or none", ""
    ),
    Column("p_lacking", "float64", "p of so small an r if it had a counterpart; NaN without a ceiling", NAN),
    Column("q_lacking", "float64", "Benjamini-Hochberg over the features of the side", NAN),
    Column("verdict", "text", "shared, not shared, or can't be told", None, needed=True),
    Column("reason", "text", "why it can't be told: chance, one-sided, weak, few or no ceiling", ""),
    Column("concepts", "texts", "concepts of the run that it belongs to", ()),
    Column("top_tokens", "texts", "tokens on which it fires most strongly", ()),
    Column("readout", "float64", "held-out r of its best linear readout from the other model's states", NAN),
    Column("readout_layer", "int64", "block whose states gave that; −1: not looked for", -1),
    Column("readout_null", "float64", "95 % point of it on unrelated text at its firing rate", NAN),
    Column("readout_q", "float64", "q of it against that", NAN),
    Column("readout_ceiling", "float64", "the same from its own model's states at its own layer", NAN),
    Column(
        "scaling", "float64", "β of its direction in those states, found and taken on other documents", NAN
    ),
    Column("scaling_error", "float64", "the part of β that lies in the error of the other model's SAE", NAN),
    Column("presence", "text", "in the other model's states: present, absent, or can't be told", ""),
)

TABLES = {
    "results": RESULTS,
    "cells": CELLS,
    "matches": MATCHES,
    "concept_keywords": KEYWORDS,
    "features": FEATURES,
    "transfer": TRANSFER,
    "stitching": STITCHING,
    "function": FUNCTION,
    "substitution": SUBSTITUTION,
    "matrix": MATRIX,
    "cycles": CYCLES,
    "consensus": CONSENSUS,
    "universality": UNIVERSALITY,
}
NAMES = (
    *(f"{table}.parquet" for table in (*TABLES, "crosscoder")),
    generations.RECORD,
    "report.html",
    "figures",
)
"""What a generation may hold, and what has a link in the run's folder."""


def in_words() -> str:
    """The columns of every table as Markdown: what docs/results.md holds."""
    words = {"texts": "list of text", "record": "mapping", "records": "list of mappings"}
    parts = []
    for name, columns in TABLES.items():
        rows = [f"| `{c.name}` | {words.get(c.kind, c.kind)} | {c.meaning} |" for c in columns]
        parts.append(
            "\n".join([f"## {name}.parquet", "", "| column | type | meaning |", "|---|---|---|", *rows])
        )
    return "\n\n".join(parts)
