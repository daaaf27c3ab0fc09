"""The truth of a made-up world: which concepts there are, and which feature of which model is which."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from congruence.errors import InputError
from congruence.rng import derive
from congruence.synthetic.options import WorldOptions

WHOLE = -1


@dataclass(frozen=True, eq=False)
class Truth:
    """What was planted. Concepts 0 … n_shared − 1 are shared; then come each model's own.

    Attributes:
        n_shared: concepts that every model has.
        rate: (c,) share of tokens on which each concept fires.
        topic: (c,) topic of each.
        parent: (c,) concept without which it never fires; -1 of a root.
        owner: (c,) the model that alone has it; -1 of a shared one.
        concept: for each model the (f,) concept of every feature.
        part: for each model (f,) which part of its concept a feature is; -1 where it is all of it.
        absorbs: for each model (f,) bool: it has absorbed its parent.
    """

    n_shared: int
    rate: np.ndarray
    topic: np.ndarray
    parent: np.ndarray
    owner: np.ndarray
    concept: tuple[np.ndarray, ...]
    part: tuple[np.ndarray, ...]
    absorbs: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, options: WorldOptions) -> "Truth":
        """Plant concepts and lay each model's features out in an order of their own."""
        rng = derive(options.seed, "truth")
        own = options.features - options.n_shared
        sizes = [options.n_shared, *[own] * options.models]
        owner = np.repeat(np.arange(-1, options.models), sizes)
        rate = np.concatenate([_rates(size, options) for size in sizes])
        topic = rng.integers(options.topics, size=len(owner))
        parent = _parents(owner, rate, options.hierarchy, rng)
        topic = np.where(parent >= 0, topic[np.maximum(parent, 0)], topic)
        split = rng.permutation(options.n_shared)[: round(options.splitting * options.n_shared)]
        models = [_features(m, owner, parent, split, options) for m in range(options.models)]
        concept, part, absorbs = (tuple(one[place] for one in models) for place in range(3))
        return cls(options.n_shared, rate, topic, parent, owner, concept, part, absorbs)

    def is_shared(self, model: int) -> Bool[np.ndarray, " f"]:
        """Which features of a model all other models have as well."""
        return self.concept[self._known(model)] < self.n_shared

    def are_partners(
        self,
        feature_a: Int[np.ndarray, " p"],
        feature_b: Int[np.ndarray, " p"],
        *,
        models: tuple[int, int] = (0, 1),
    ) -> Bool[np.ndarray, " p"]:
        """Whether both features of each pair are the same concept, or parts of it."""
        a, b = (self.concept[self._known(model)] for model in models)
        return a[feature_a] == b[feature_b]

    def pairs(self, *, models: tuple[int, int] = (0, 1)) -> Int[np.ndarray, "p 2"]:
        """All pairs of partners, in the order of the first model's features; a split one has several."""
        a, b = (self.concept[self._known(model)] for model in models)
        order = np.argsort(b, kind="stable")
        first, last = (np.searchsorted(b[order], a, side=side) for side in ("left", "right"))
        counts = last - first
        places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.stack([np.repeat(np.arange(len(a)), counts), order[np.repeat(first, counts) + places]], 1)

    def _known(self, model: int) -> int:
        if not 0 <= model < len(self.concept):
            raise InputError(f"model {model}: the world has models 0 to {len(self.concept) - 1}")
        return model


def _rates(size: int, options: WorldOptions) -> np.ndarray:
    """Rates of a group of concepts, spread over the whole power law, the highest first."""
    exponent = np.log(options.max_rate / options.min_rate) / np.log(options.features)
    rank = np.maximum(1.0, (np.arange(size) + 0.5) / max(size, 1) * options.features + 0.5)
    return options.max_rate * rank**-exponent


def _parents(owner: np.ndarray, rate: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Children take a root that fires at least twice as often: of the shared ones, or of their own group.

    A model's own child of a shared parent is what is most easily taken for the parent's partner.
    """
    parent = np.full(len(owner), -1, np.int64)
    for group in np.unique(owner):
        members = np.flatnonzero(owner == group)
        able = members[rate[members] * 2 <= rate[members].max(initial=0)]
        children = np.sort(rng.permutation(able)[: round(share * len(members))])
        roots = np.setdiff1d(np.flatnonzero((owner == -1) | (owner == group)), children)
        roots = roots[(parent[roots] < 0)]
        roots = roots[np.argsort(-rate[roots], kind="stable")]
        fitting = np.searchsorted(-rate[roots], -2 * rate[children], side="right")
        parent[children] = roots[(rng.random(len(children)) * fitting).astype(np.int64)]
    return parent


def _features(
    model: int, owner: np.ndarray, parent: np.ndarray, split: np.ndarray, options: WorldOptions
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = derive(options.seed, "features", model)
    mine = np.flatnonzero((owner == -1) | (owner == model))
    times = np.where(np.isin(mine, split) & (model > 0), options.split_into, 1)
    concept = np.repeat(mine, times)
    part = np.arange(len(concept)) - np.repeat(np.cumsum(times) - times, times)
    part = np.where(np.repeat(times, times) > 1, part, WHOLE)
    able = np.flatnonzero((parent[concept] >= 0) & (part == WHOLE))
    absorbs = np.zeros(len(concept), bool)
    if model > 0:
        absorbs[rng.permutation(able)[: round(options.absorption * len(able))]] = True
    order = rng.permutation(len(concept))
    return concept[order], part[order], absorbs[order]
