"""The tables of what else is asked of each layer pair: transfer, stitching, and whether pairs do the same."""

from congruence.run.columns import NAN, PLACE, Column

TRANSFER = (
    *PLACE[2:],
    Column(
        "direction",
        "text",
        "`a_to_b`: states of a are mapped to b and read by b's SAE; or `b_to_a`",
        None,
        needed=True,
    ),
    Column("map", "text", "identity, orthogonal (with one scale), affine or ridge", None, needed=True),
    Column(
        "null",
        "text",
        "empty, or what is broken: shifted text, random rotation, wrong layer, untrained SAE, frozen decoder",
        "",
    ),
    Column("against", "text", "of a wrong layer: which one the map leads into", ""),
    Column("r2", "float64", "variance of the target's held-out states that mapped states give", NAN),
    Column("explained", "float64", "explained variance of the SAE on the mapped states", NAN),
    Column("ceiling", "float64", "the same on its own model's states", NAN),
    Column(
        "explained_of_target",
        "float64",
        "variance of the target's states that map and SAE together give",
        NAN,
    ),
    Column("f1", "float64", "of the SAE's firing on mapped states against native ones", NAN),
    Column("r", "float64", "mean r of its features' activations, mapped against native", NAN),
    Column(
        "rotation_cosine",
        "float64",
        "of orthogonal: mean cosine of decoder rows turned by the rotation "
        "between matched decoder rows, and by this map",
        NAN,
    ),
    Column("rotation_null", "float64", "the same with the rotation fitted on re-paired rows", NAN),
    Column(
        "finds",
        "float64",
        "of orthogonal: share of matched features whose partner's decoder row is nearest after this map",
        NAN,
    ),
    Column("pairs", "int64", "matched features that these three rest on, half of them judged", 0),
    Column("n_fit", "int64", "tokens, or aligned units, that the map was fitted on", 0),
    Column("n_held", "int64", "held-out ones that r2 is over", 0),
    Column("n_judged", "int64", "those of them that went through the SAE", 0),
    Column("warnings", "texts", "why there is no number", ()),
)

STITCHING = (
    *PLACE[2:],
    Column(
        "direction",
        "text",
        "`a_to_b`: b goes on from mapped states of a at these layers; or `b_to_a`",
        None,
        needed=True,
    ),
    Column(
        "map",
        "text",
        "identity, orthogonal, affine or ridge; native, the ceiling: the target's own states through its SAE",
        None,
        needed=True,
    ),
    Column("null", "text", "empty, or what is broken: shifted text, random rotation, wrong layer", ""),
    Column("against", "text", "of a wrong layer: which one the map leads into", ""),
    Column(
        "what", "text", "what is mapped: states, or the reconstruction of the source's SAE", None, needed=True
    ),
    Column("loss", "float64", "mean next-token loss of the stitched model, in nats", NAN),
    Column("native", "float64", "of the target as it is", NAN),
    Column("zero", "float64", "of the target with zeros in their place", NAN),
    Column("mean", "float64", "of the target with its mean state in their place", NAN),
    Column("recovered_zero", "float64", "(zero − loss) / (zero − native)", NAN),
    Column("recovered_mean", "float64", "(mean − loss) / (mean − native)", NAN),
    Column("places", "int64", "held-out tokens, or aligned units, whose state is replaced", 0),
    Column("predictions", "int64", "next tokens that the loss is over", 0),
    Column("warnings", "texts", "why there is no number", ()),
)

FUNCTION = (
    *PLACE,
    Column(
        "question",
        "text",
        "logit_weights: do paired features add to the same tokens? ablation: does taking either out change "
        "the same predictions? substitution: can a's feature stand in for b's?",
        None,
        needed=True,
    ),
    Column("n", "int64", "pairs that this rests on", 0),
    Column("value", "float64", "mean agreement of a pair", NAN, needed=True),
    Column("null", "text", "re-paired features, or hard negatives", "", needed=True),
    Column("null_mean", "float64", "mean agreement of those", NAN),
    Column("null_q95", "float64", "95 % point of the agreement of single ones", NAN),
    Column("p", "float64", "p of the mean against them", NAN),
    Column("share", "float64", "share of pairs that agree more than that 95 % point", NAN),
    Column("area", "float64", "mean height of the quality–coverage curve", NAN),
    Column(
        "curve",
        "records",
        "{coverage, quality}: mean agreement of the most similar share of the pairs",
        (),
    ),
    Column("tokens", "int64", "shared tokens that logits are compared over", 0),
    Column("warnings", "texts", "why there is no number", ()),
)

SUBSTITUTION = (
    *PLACE[2:],
    Column("kind", "text", "pair, or hard negative", None, needed=True),
    Column("feature_a", "int64", "feature of a", None, needed=True),
    Column("feature_b", "int64", "feature of b", None, needed=True),
    Column("partner", "int64", "of a hard negative: the feature of b that it stands beside", -1),
    Column(
        "r",
        "float64",
        "similarity of the pair's activations; of a hard negative: of the pair it stands beside",
        NAN,
    ),
    Column("stratum", "text", "of r and firing rate, from which the pair is drawn: r1 to r4, f1 to f3", ""),
    Column("weight", "float64", "pairs of the stratum for each that was drawn", NAN),
    Column("overlap", "int64", "top tokens that both features share", 0),
    Column("contexts", "int64", "places at which predictions are compared", 0),
    Column(
        "ablation_r",
        "float64",
        "correlation of the changes of log-probabilities, feature of a and of b taken out",
        NAN,
    ),
    Column("kl_ablated", "float64", "KL of b's predictions with its feature taken out, in nats", NAN),
    Column("kl_substituted", "float64", "KL with the mapped contribution of a's feature in its place", NAN),
    Column(
        "substitution",
        "float64",
        "(kl_ablated − kl_substituted) / the larger of both: 1 all of what b's feature does, 0 none, −1 harm",
        NAN,
    ),
    Column("reason", "text", "why there is no number", ""),
)
