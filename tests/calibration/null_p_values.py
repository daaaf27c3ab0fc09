"""p-values of every measure under every null, on data for which that null is true.

    python tests/calibration/null_p_values.py    # the table of docs/nulls.md, about four minutes on one core

Scores of neighbours and retrieval take few values, so ties are broken at random before a uniform law is
asked for: (b + U(1 + ties)) / (1 + m), b the draws above. The reported p is the largest of these.
"""

import numpy as np
from scipy import stats

from congruence.matching.subsets import Ragged
from congruence.metrics import METRICS
from congruence.significance import NULLS, permutation_test

OPTIONS = {"mutual_knn": {"k": 4}, "jaccard_knn": {"k": 4}}
DATA_SETS = 500
DRAWS = {"pairing": 99, "firing_rate": 49}
FEW_DRAWS = 19  # where a draw scores anew; the law of p is exact for any number of them
RATES = np.repeat(np.arange(6), 6)
DOCUMENTS = np.arange(0, 201, 10)


def unrelated(rng):
    """Independent sides with a steep spectrum, heavy-tailed columns and an offset."""
    x = rng.normal(size=(30, 6)) * 0.7 ** np.arange(6) + 0.5
    return x, rng.standard_t(4, size=(30, 8)) * 0.8 ** np.arange(8), {}


def of_their_rate(rng):
    """Sides that depend on the firing rate alone: exchangeable within strata, not over all rows."""
    x, y = (3 * np.outer(RATES, rng.normal(size=5)) + rng.normal(size=(36, 5)) for _ in range(2))
    return x, y, {"rates": RATES, "strata": 6}


def of_no_concept(rng):
    """The tested subset is itself a random one, paired by the matcher of the draws."""
    similarity, spaces = rng.normal(size=(60, 50)), (rng.normal(size=(60, 5)), rng.normal(size=(50, 5)))

    def rematch(a, b):
        best = a[similarity[np.ix_(a, b)].argmax(axis=0)]
        _, first = np.unique(best, return_index=True)
        return best[first], b[first]

    a, b = rematch(*(np.sort(rng.choice(len(space), 20, replace=False)) for space in spaces))
    options = {"spaces": spaces, "sizes": (20, 20), "rematch": rematch, "min_pairs": 8}
    return (spaces[0][a], spaces[1][b], options) if len(a) >= 8 else of_no_concept(rng)


def of_unrelated_text(rng):
    """Activations on unrelated documents, paired by correlation: every rotation is as likely as none."""
    acts = rng.exponential(size=(2, 200, 14)) * (rng.random(size=(2, 200, 14)) < 0.3)
    spaces = rng.normal(size=(2, 14, 4))

    def pair(a, b):
        return np.corrcoef(a.T, b.T)[:14, 14:].argmax(axis=0), np.arange(14)

    a, b = pair(*acts)
    options = {"acts": tuple(acts), "spaces": tuple(spaces), "pair": pair, "document_offsets": DOCUMENTS}
    return spaces[0][a], spaces[1][b], options


def of_random_weights(rng):
    """Side B has random weights, in the tested pairs as in every draw."""
    space = rng.normal(size=(20, 5))

    def rerun(own):
        return space, own.normal(size=(20, 5))

    return *rerun(rng), {"rerun": rerun}


def of_another_seed(rng):
    """Side B is side A turned and blurred, as another SAE of one model, in the tested pairs as in every draw."""
    space, turn = rng.normal(size=(20, 5)), np.linalg.qr(rng.normal(size=(5, 5)))[0]

    def rerun(own):
        return space, space @ turn + own.normal(size=(20, 5))

    return *rerun(rng), {"rerun": rerun}


def of_pairs_of_the_space(rng):
    """The tested pairs are themselves drawn from those of the space."""
    spaces = rng.normal(size=(60, 5)), rng.normal(size=(50, 5))
    whole = (rng.permutation(60)[:40], rng.permutation(50)[:40])
    chosen = rng.choice(40, 15, replace=False)
    a, b = (side[chosen] for side in whole)
    return spaces[0][a], spaces[1][b], {"spaces": spaces, "whole": whole}


def of_other_words(rng):
    """The tested features are those of a random group of words, as in every draw."""
    similarity, spaces = rng.normal(size=(60, 50)), (rng.normal(size=(60, 5)), rng.normal(size=(50, 5)))

    def rematch(a, b):
        best = a[similarity[np.ix_(a, b)].argmax(axis=0)]
        _, first = np.unique(best, return_index=True)
        return best[first], b[first]

    def group(own, size):
        return np.sort(own.choice(size, 20, replace=False))

    def members(side, size):
        return lambda numbers, attempt: Ragged.of(
            [group(np.random.default_rng([seed, side, attempt, d]), size) for d in numbers]
        )

    seed = int(rng.integers(2**31))
    a, b = rematch(group(rng, 60), group(rng, 50))
    options = {
        "spaces": spaces,
        "members": (members(0, 60), members(1, 50)),
        "rematch": rematch,
        "min_pairs": 8,
    }
    return (spaces[0][a], spaces[1][b], options) if len(a) >= 8 else of_other_words(rng)


TRUE_NULLS = {
    "pairing": unrelated,
    "firing_rate": of_their_rate,
    "subset": of_no_concept,
    "document_shift": of_unrelated_text,
    "size_matched": of_pairs_of_the_space,
    "unrelated_keywords": of_other_words,
    "random_model": of_random_weights,
    "other_seed": of_another_seed,
}


FEW = ("pc1_correlation", "rsa", "linear_cka")
"""Measures of nulls whose draws go the way of `subset`, which is tried with all of them."""


def measures(null):
    """Those that the null can test; a few stand for all where another null's draws go the same way."""
    if null in {"size_matched", "unrelated_keywords"}:
        return list(FEW)
    return [name for name in METRICS.names() if METRICS.get(name).laws.pairing or not NULLS.get(null).repairs]


def randomised(test, rng):
    """An exactly uniform p under the null, from a test whose ties count half by chance."""
    tie = 1e-11
    above = int((test.scores > test.observed + tie).sum())
    ties = int((np.abs(test.scores - test.observed) <= tie).sum())
    return (above + rng.uniform() * (1 + ties)) / (1 + test.draws)


def p_values(name, null="pairing", *, data=None, count=DATA_SETS, draws=None, **options):
    """(count,) randomised p of one measure, each on a data set of its own."""
    draws, rng = draws or DRAWS.get(null, FEW_DRAWS), np.random.default_rng(0)
    found = []
    for number in range(count):
        x, y, inputs = TRUE_NULLS[data or null](np.random.default_rng([11, number]))
        if METRICS.get(name).laws.same_width:
            x, y = (side[:, : min(x.shape[1], y.shape[1])] for side in (x, y))
        inputs = {key: value for key, value in inputs.items() if null == (data or null)}
        settings = OPTIONS.get(name, {}) | inputs | options
        test = permutation_test(name, x, y, null=null, draws=draws, rng=number, **settings)
        found.append(randomised(test, rng))
    return np.array(found)


def smooth(p):
    """(...,) p of Neyman's smooth test of order 2 against the uniform law, over the last axis.

    Its two parts are the mean of p (draws that lie beside the score's law) and its spread (draws that vary too
    little or too much), which a null that is wrong moves; Kolmogorov–Smirnov sees the second late.
    """
    middle = np.asarray(p) - 0.5
    parts = np.sqrt(12) * middle, np.sqrt(5) * (6 * middle**2 - 0.5)
    return stats.chi2.sf(middle.shape[-1] * sum(part.mean(axis=-1) ** 2 for part in parts), 2)


def uniform(p):
    """p of the Kolmogorov–Smirnov test against the uniform law."""
    return float(stats.kstest(p, "uniform").pvalue)


if __name__ == "__main__":
    print("| measure | " + " | ".join(f"`{null}`" for null in TRUE_NULLS) + " |")
    print("|---" * (1 + len(TRUE_NULLS)) + "|")
    for name in METRICS.names():
        cells = [f"{uniform(p_values(name, n)):.2f}" if name in measures(n) else "–" for n in TRUE_NULLS]
        print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)
