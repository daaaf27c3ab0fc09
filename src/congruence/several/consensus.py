"""Consensus features: sets of features, one of a model at most, held together by links between models."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from congruence.several.links import Links

Node = tuple[str, int, int]
"""Model, layer, feature."""


@dataclass(frozen=True)
class Group:
    """A consensus feature.

    Attributes:
        members: model, layer and feature of each, in the order of the models.
        links: places of two members, and the r of each link between two of them.
        refused: links from a member to a feature outside, which would have brought a second one of a model.
    """

    members: tuple[Node, ...]
    links: tuple[tuple[int, int, float], ...]
    refused: int

    @property
    def possible(self) -> int:
        """Links that there would be if each were linked with each."""
        return len(self.members) * (len(self.members) - 1) // 2


def consensus(links: Mapping[tuple[str, str], Links], models: list[str] | None = None) -> list[Group]:
    """Groups of features of several models that are each other's best partners.

    Links are taken from the highest r down; one joins the groups of its two ends unless both hold a feature
    of the same model. So no group has two features of one model, a chain of weak links can't tie unlike
    features together before strong ones are heard, and the answer doesn't depend on an order of models.
    Equal r are taken in the order of models, layers and features.

    Args:
        links: names of two models -> their links, one-to-one (`Links.best`).
        models: their order; default: as they are first named.

    Returns:
        Groups of two members and more: those of most models first, then with most of their links, then with
        the highest mean r.

    Source: ours; single linkage with the constraint of one of each (as in multi-way matching).
    """
    names = models or list(dict.fromkeys(name for pair in links for name in pair))
    place = {name: number for number, name in enumerate(names)}
    edges = _edges(links, place)
    home: dict[Node, Node] = {}
    held: dict[Node, dict[str, Node]] = {}
    kept: dict[Node, list[tuple[Node, Node, float]]] = {}
    refused: dict[Node, int] = {}

    def root(node: Node) -> Node:
        while home.setdefault(node, node) != node:
            home[node] = home[home[node]]
            node = home[node]
        return node

    for one, other, r in edges:
        a, b = root(one), root(other)
        of_a, of_b = held.setdefault(a, {one[0]: one}), held.setdefault(b, {other[0]: other})
        if a == b:
            kept[a].append((one, other, r))
        elif set(of_a) & set(of_b):
            refused[a], refused[b] = refused.get(a, 0) + 1, refused.get(b, 0) + 1
        else:
            home[b] = a
            of_a.update(held.pop(b))
            kept[a] = [*kept.get(a, []), *kept.pop(b, []), (one, other, r)]
            refused[a] = refused.get(a, 0) + refused.pop(b, 0)
    groups = [_group(held[top], found, refused.get(top, 0), place) for top, found in kept.items()]
    return sorted(groups, key=_rank)


def _edges(
    links: Mapping[tuple[str, str], Links], place: Mapping[str, int]
) -> list[tuple[Node, Node, float]]:
    """All links, the strongest first."""
    found = []
    for (x, y), some in links.items():
        for row in zip(some.layer_x, some.feature_x, some.layer_y, some.feature_y, some.r, strict=True):
            one, other = (x, int(row[0]), int(row[1])), (y, int(row[2]), int(row[3]))
            found.append((one, other, float(row[4])) if place[x] < place[y] else (other, one, float(row[4])))
    return sorted(
        found, key=lambda edge: (-edge[2], place[edge[0][0]], *edge[0][1:], place[edge[1][0]], *edge[1][1:])
    )


def _group(
    held: Mapping[str, Node], links: list[tuple[Node, Node, float]], refused: int, place: Mapping[str, int]
) -> Group:
    members = tuple(sorted(held.values(), key=lambda node: place[node[0]]))
    at = {node: number for number, node in enumerate(members)}
    told = sorted((at[one], at[other], r) for one, other, r in links)
    return Group(members, tuple(told), refused)


def _rank(group: Group) -> tuple[float, ...]:
    mean = float(np.mean([r for _, _, r in group.links]))
    return (-len(group.members), -len(group.links), -mean)
