"""Compiled loop: the features whose top tokens lie on the words of a group."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def members_of_words(starts, features, groups, min_hits, barred):
    """Features with at least `min_hits` top tokens on a group's words, group after group, and their offsets.

    Args:
        starts: (words + 1,) where each word's features begin.
        features: feature of each top token, by word.
        groups: (m, w) words of each group, ascending.
        min_hits: threshold.
        barred: (f,) features that never belong.
    """
    room = 0
    for group in groups:
        for word in group:
            room += starts[word + 1] - starts[word]
    found = np.empty(room, dtype=np.int64)
    offsets = np.zeros(len(groups) + 1, dtype=np.int64)
    hits = np.zeros(len(barred), dtype=np.int64)
    end = 0
    for number in range(len(groups)):
        group, first = groups[number], end
        for place in range(len(group)):
            if place and group[place] == group[place - 1]:
                continue
            for k in range(starts[group[place]], starts[group[place] + 1]):
                hits[features[k]] += 1
                if hits[features[k]] == min_hits and not barred[features[k]]:
                    found[end] = features[k]
                    end += 1
        for place in range(len(group)):
            for k in range(starts[group[place]], starts[group[place] + 1]):
                hits[features[k]] = 0
        found[first:end].sort()
        offsets[number + 1] = end
    return found[:end].copy(), offsets
