"""A concept's published steps in plain loops: who belongs, who is paired, 1-to-1 within the concept, what it scores.

From the description of the code of Lan et al. 2024: of each side apart, the features of whose five top tokens none
is punctuation and one is a keyword that stands as a whole word; each B member with its best A member; the first pair
of each A feature; first components, RSA, and p as a share of re-pairings.
"""

from dataclasses import dataclass

import numpy as np
from published_steps import NON_CONCEPT, correlations, rsa, svcca


@dataclass
class PublishedConcept:
    """What each step gives."""

    members: tuple
    many_to_one: list
    pairs: list
    svcca: float
    rsa: float
    p_svcca: float
    p_rsa: float
    null_svcca: float
    null_rsa: float


def whole_word(strings, token_ids, at):
    """The word of the running text that the token at a row lies in, once spaces round the token are left out."""
    before = "".join(strings[i] for i in token_ids[:at])
    text = before + "".join(strings[i] for i in token_ids[at:])
    token = strings[token_ids[at]]
    start = len(before) + len(token) - len(token.lstrip())
    end = start + len(token.strip())
    while start > 0 and text[start - 1].isalpha():
        start -= 1
    while end < len(text) and text[end].isalpha():
        end += 1
    return text[start:end]


def members(acts, token_ids, strings, keywords):
    """Features whose top five hold no non-concept string, and one token that is a keyword and a whole word."""
    found = []
    for feature in range(acts.shape[1]):
        order = sorted(range(len(acts)), key=lambda t: (-acts[t, feature], t))[:5]
        tokens = [strings[token_ids[t]] for t in order]
        if NON_CONCEPT & set(tokens):
            continue
        for t, token in zip(order, tokens, strict=True):
            word = token.strip().lower()
            if word in keywords and whole_word(strings, token_ids, t).lower() == word:
                found.append(feature)
                break
    return found


def published_concept(acts_a, acts_b, W_a, W_b, token_ids, strings, keywords, permutations):
    """Every step from activations to p; arguments as those of `published`, with a concept's keywords."""
    r = correlations(acts_a, acts_b)
    a_side, b_side = (members(acts, token_ids, strings, keywords) for acts in (acts_a, acts_b))
    many = []
    for b in b_side:
        best = max(a_side, key=lambda a, b=b: (r[a, b], -a))
        many.append((best, b))
    seen, pairs = set(), []
    for a, b in many:
        if a not in seen:
            seen.add(a)
            pairs.append((a, b))
    x, y = W_a[[a for a, _ in pairs]], W_b[[b for _, b in pairs]]
    scores, nulls = (svcca(x, y), rsa(x, y)), ([], [])
    for draw in permutations(len(pairs)):
        nulls[0].append(svcca(x, y[draw]))
        nulls[1].append(rsa(x, y[draw]))
    p = [float(np.mean([one >= score for one in drawn])) for score, drawn in zip(scores, nulls, strict=True)]
    means = (float(np.mean(drawn)) for drawn in nulls)
    return PublishedConcept((a_side, b_side), many, pairs, *scores, *p, *means)
