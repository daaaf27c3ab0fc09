"""Words of measures and nulls until they stand with the measure and the null; then this module goes.

Read by `congruence.report.words` alone, where an entry of a registry has no words of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from congruence.report.numbers import format_score, percent


@dataclass(frozen=True)
class MeasureNote:
    """A measure in words: see `congruence.report.words.MeasureWords`."""

    title: str
    reading: str
    beware: str
    sentence: Callable[[float], str]


def _scores(what: str) -> Callable[[float], str]:
    return lambda value: f"{what} {format_score(value)}"


NOTES = {
    "translation_accuracy": MeasureNote(
        "Translation accuracy",
        "A rotation is fitted on half of the matched pairs. For each feature held out: is its own partner "
        "the nearest decoder direction on the other side? The score is the share for which it is.",
        "Chance is one over the number of held-out pairs, so compare scores only between layer pairs with "
        "similar numbers of pairs.",
        lambda value: (
            "a rotation fitted on half of the matched features finds the right partner for "
            f"{percent(value)} of the others"
        ),
    ),
    "pc1_correlation": MeasureNote(
        "First-component correlation",
        "|Pearson r| between the first principal-component scores of the two paired decoder matrices.",
        "This is what the published tables call SVCCA: their code keeps one component. It looks at one "
        "direction of each space only, and for n pairs its chance level is √(2/(π(n−1))), not 0.",
        _scores("the first principal components correlate by"),
    ),
    "svcca": MeasureNote(
        "SVCCA",
        "Both decoder matrices are reduced to the components that hold most of the variance; the score is "
        "the mean canonical correlation between the two.",
        "With few pairs it says 1 whatever the data: believe it only where the pairs outnumber the kept "
        "components of both sides at least twice. It is not the published “SVCCA”, which is pc1_correlation.",
        _scores("the mean canonical correlation is"),
    ),
    "rsa": MeasureNote(
        "Representational similarity (RSA)",
        "How alike the features are to one another is computed within each side; the score is the rank "
        "correlation of the two sets of likenesses. Needs no map between the spaces.",
        "Low values can be far above chance: entries of a similarity matrix depend on each other, so only "
        "the permutation p counts.",
        _scores("the likenesses among features agree with a rank correlation of"),
    ),
    "cca": MeasureNote(
        "CCA",
        "Mean canonical correlation of the two decoder matrices without reduction.",
        "Forced towards 1 unless the pairs far outnumber the dimensions of both sides.",
        _scores("the mean canonical correlation is"),
    ),
    "pwcca": MeasureNote(
        "Projection-weighted CCA",
        "Canonical correlations, weighted by how much of the first side each direction explains.",
        "Not symmetric, and inflated with few pairs like CCA.",
        _scores("the weighted canonical correlation is"),
    ),
    "linear_cka": MeasureNote(
        "Linear CKA",
        "Overlap of the two sides' similarity structures, debiased so that chance is 0.",
        "Dominated by the directions of largest variance; small negative values mean chance.",
        _scores("the similarity structures overlap by"),
    ),
    "rbf_cka": MeasureNote(
        "RBF CKA",
        "As linear CKA, with a kernel that looks at near neighbours.",
        "Depends on the kernel's width.",
        _scores("the neighbourhood structures overlap by"),
    ),
    "procrustes": MeasureNote(
        "Procrustes",
        "How much of the two spaces coincides after the best rotation; 1 means congruent.",
        "The rotation is fitted on the very pairs it is scored on: compare with the null, not with 0.",
        _scores("after the best rotation the spaces coincide by"),
    ),
    "mutual_knn": MeasureNote(
        "Mutual nearest neighbours",
        "The share of each feature's k nearest neighbours that its partner has as well.",
        "Chance is about k over the number of pairs.",
        lambda value: f"partners share {percent(value)} of their nearest neighbours",
    ),
    "jaccard_knn": MeasureNote(
        "Neighbourhood Jaccard",
        "Overlap (intersection over union) of each pair's nearest-neighbour sets.",
        "Chance is about k over twice the number of pairs.",
        _scores("neighbourhoods overlap by"),
    ),
    "heldout_cca": MeasureNote(
        "Held-out CCA",
        "Canonical directions fitted on half of the pairs, correlated on the other half.",
        "Noisy where the pairs are few.",
        _scores("held-out canonical correlations average"),
    ),
    "heldout_r2": MeasureNote(
        "Held-out R²",
        "Variance of one side's held-out rows that a ridge map from the other explains.",
        "Negative where the map does worse than the mean.",
        lambda value: f"a linear map explains {percent(value)} of the variance of held-out features",
    ),
    "mean_cosine": MeasureNote(
        "Mean cosine",
        "Mean cosine of the paired decoder rows as they stand.",
        "Means something only where both sides read the same model's space.",
        _scores("paired directions have a mean cosine of"),
    ),
}

NULLS = {
    "pairing": (
        "pairs shuffled", "every pairing of these features is equally likely", "with the pairs shuffled",
    ),
    "subset": (
        "random features", "random features, as many and paired inside by the same matcher, score as high",
        "with random subsets of the same sizes, paired anew,",
    ),
    "firing_rate": (
        "pairs shuffled among similar firing rates",
        "every pairing that keeps how often the partner fires is equally likely",
        "with the pairs shuffled among features of similar firing rate",
    ),
    "document_shift": (
        "documents shifted",
        "features that fire on unrelated text, paired by the same correlation, score as high",
        "with one side's documents shifted and the pairing run again",
    ),
    "size_matched": (
        "as many pairs of the whole space", "any as many pairs of the whole space score as high",
        "with as many pairs drawn from the whole space",
    ),
    "unrelated_keywords": (
        "features of other words", "features of random words, as many and as frequent, score as high",
        "with the features of random words as frequent",
    ),
}  # fmt: skip
"""name -> (title, hypothesis, in words)."""
