"""The tables of a run of more than two models."""

from congruence.run.columns import NAN, Column

KIND = "models-run"
"""Of run.json, the record of a finished run of several models."""

MATRIX = (
    Column("model_x", "text", "one model", None, needed=True),
    Column("model_y", "text", "the other", None, needed=True),
    Column(
        "measure",
        "text",
        "the measure with its options; `mean_r` of the kept pairs; or `shared`",
        None,
        needed=True,
    ),
    Column(
        "of",
        "text",
        "`best` layer pair, `mean` of all, `matched` relative depths; of `shared`: `features` of model_x",
        None,
        needed=True,
    ),
    Column(
        "value",
        "float64",
        "the score; of `shared` the share of x's features with a counterpart in y",
        NAN,
        needed=True,
    ),
    Column("null_mean", "float64", "mean score of the draws at the same layer pairs", NAN),
    Column("p", "float64", "of `best`: the p of that layer pair", NAN),
    Column("p_max_t", "float64", "of `best`: p that allows for the choice of the best", NAN),
    Column("q", "float64", "of `best`: its q among the pair's layer pairs", NAN),
    Column("ceiling", "float64", "the same measure between SAEs of two seeds of one model, where run", NAN),
    Column("layer_x", "int64", "of `best`: the block of x; −1: several", -1),
    Column("layer_y", "int64", "of `best`: the block of y; −1: several", -1),
    Column("layer_pairs", "int64", "layer pairs with a score that it rests on", 0),
    Column("significant", "int64", "those of them with q ≤ 0.05", 0),
)

CYCLES = (
    Column("model_1", "text", "where features start, and come home", None, needed=True),
    Column("model_2", "text", "where they go first", None, needed=True),
    Column("model_3", "text", "where they go from there", None, needed=True),
    Column("layer_1", "int64", "block of model_1; −1: links are the best over all layers", -1, needed=True),
    Column("layer_2", "int64", "block of model_2", -1),
    Column("layer_3", "int64", "block of model_3", -1),
    Column("features", "int64", "features of model_1 that fire", -1),
    Column("followed", "int64", "those that links lead all the way around", 0, needed=True),
    Column("home", "int64", "those that arrive at themselves", 0, needed=True),
    Column("share", "float64", "home / followed", NAN, needed=True),
    Column("chance", "float64", "that share if the last step told the firing rate alone", NAN),
    Column("p", "float64", "p of so many under that null, exact down to 1e-15", NAN),
    Column("q", "float64", "Benjamini-Hochberg over the layer triples of the three models", NAN),
)

CONSENSUS = (
    Column("consensus", "int64", "its number, from 0: most models first", None, needed=True),
    Column("size", "int64", "models that have it", None, needed=True),
    Column("models", "texts", "their names", ()),
    Column("links", "int64", "of its members every two of which are each other's best partners", 0),
    Column("possible", "int64", "links if every two were", 0),
    Column("refused", "int64", "links to a second feature of a model that it has", 0),
    Column("mean_r", "float64", "mean r of its links", NAN),
    Column("min_r", "float64", "the least of them", NAN),
    Column("tokens", "texts", "strongest tokens of its members, those of most members first", ()),
    Column("members", "records", "{model, layer, feature, firings, top_tokens} of each", ()),
    Column("r", "records", "{model_x, model_y, r} of each link", ()),
)

UNIVERSALITY = (
    Column("model", "text", "the model that the feature is of", None, needed=True),
    Column("layer", "int64", "its block", None, needed=True),
    Column("feature", "int64", "the feature", None, needed=True),
    Column("firings", "int64", "tokens on which it fires, where the text is its own tokens", -1),
    Column("others", "int64", "other models", 0, needed=True),
    Column("shared", "int64", "those in which it has a counterpart", 0, needed=True),
    Column("lacking", "int64", "those in which it demonstrably has none", 0),
    Column("untold", "int64", "those of which it can't be told", 0),
    Column("basis", "text", "what says so: verdicts, or links that beat chance, or links", ""),
    Column("shared_with", "texts", "names of the models in which it has a counterpart", ()),
    Column("best_r", "float64", "its highest r to any other model", NAN),
    Column("partners", "records", "{model, layer, feature, r, verdict} of its best partner in each", ()),
    Column("consensus", "int64", "number of its consensus feature; −1: in none", -1),
    Column("top_tokens", "texts", "tokens on which it fires most strongly", ()),
)
