"""The published steps written out as plainly as they can be: loops over numpy arrays, nothing of the package.

From the description of the code of Lan et al. 2024: correlation by z-scores, the best A of each B, filters in
order, first principal components, RSA by row correlations, p as a share of the draws.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

NON_CONCEPT = {"\\n", "\n", "", " ", ".", ",", "!", "?", "-", "<|endoftext|>", "<bos>", "<eos>", "<pad>"}


@dataclass
class Published:
    """What each step gives, under the name of the filter; pairs are (a, b, r)."""

    steps: dict
    svcca: float
    rsa: float
    p_svcca: float
    p_rsa: float
    null_svcca: float
    null_rsa: float

    @property
    def pairs(self):
        return self.steps["min_r"]


def correlations(x, y):
    n = len(x)
    zx = np.zeros(x.shape)
    zy = np.zeros(y.shape)
    for z, raw in ((zx, x), (zy, y)):
        for f in range(raw.shape[1]):
            deviation = np.sqrt(((raw[:, f] - raw[:, f].mean()) ** 2).sum() / (n - 1))
            z[:, f] = (raw[:, f] - raw[:, f].mean()) / (deviation + 1e-8)
    return zx.T @ zy / n


def top_five(column, token_ids, strings):
    """The five largest activations, whatever they are: of equal ones the first."""
    order = sorted(range(len(column)), key=lambda t: (-column[t], t))[:5]
    return [strings[token_ids[t]] for t in order]


def first_component(rows):
    centred = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    return centred @ vectors[:, np.argmax(values)]


def svcca(x, y):
    return abs(np.corrcoef(first_component(x), first_component(y))[0, 1])


def rsa(x, y):
    above = np.triu_indices(len(x), 1)
    return stats.spearmanr(np.corrcoef(x)[above], np.corrcoef(y)[above]).statistic


def published(acts_a, acts_b, W_a, W_b, token_ids, strings, permutations):
    """Every step from activations to p.

    Args:
        acts_a, acts_b: (n, f) and (n, g).
        W_a, W_b: decoder rows.
        token_ids: (n,).
        strings: token id -> decoded.
        permutations: the draws of the null, (m, any length): argsorted to the number of pairs.
    """
    r = correlations(acts_a, acts_b)
    tops = [[top_five(acts[:, f], token_ids, strings) for f in range(acts.shape[1])]
            for acts in (acts_a, acts_b)]  # fmt: skip
    pairs = []
    for b in range(r.shape[1]):
        a = int(np.argmax(r[:, b]))
        pairs.append((a, b, r[a, b]))
    steps = {"many_to_one": pairs}
    pairs = [p for p in pairs if not NON_CONCEPT & {*tops[0][p[0]], *tops[1][p[1]]}]
    steps["non_concept"] = pairs
    pairs = [p for p in pairs if set(tops[0][p[0]]) & set(tops[1][p[1]])]
    steps["shared_token"] = pairs
    seen, kept = set(), []
    for pair in pairs:
        if pair[0] not in seen:
            seen.add(pair[0])
            kept.append(pair)
    steps["one_to_one"] = pairs = kept
    steps["min_r"] = pairs = [p for p in pairs if p[2] > 0.1]
    x, y = W_a[[p[0] for p in pairs]], W_b[[p[1] for p in pairs]]
    draws = permutations(len(pairs))
    scores, nulls = (svcca(x, y), rsa(x, y)), ([], [])
    for draw in draws:
        nulls[0].append(svcca(x, y[draw]))
        nulls[1].append(rsa(x, y[draw]))
    p = [float(np.mean([one >= score for one in drawn])) for score, drawn in zip(scores, nulls, strict=True)]
    return Published(steps, *scores, *p, *(float(np.mean(drawn)) for drawn in nulls))
