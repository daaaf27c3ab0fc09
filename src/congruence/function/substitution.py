"""Pairs of features taken out of both models, and one put in the other's place."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int

from congruence.function.positions import Ablator
from congruence.transfer import FittedMap

LEAST_KL = 1e-9
"""Nats below which taking a feature out changes nothing that could be given back."""


@dataclass(frozen=True)
class Effect:
    """What is found of one pair.

    Attributes:
        contexts: places that it rests on.
        ablation_r: correlation over places and tokens of the changes of log-probabilities when the feature
            of a is taken out of a, and that of b out of b; what all tokens of a place share is taken off.
        kl_ablated: mean KL(b ‖ b without its feature), nats.
        kl_substituted: mean KL(b ‖ b with the mapped contribution of a's feature in its feature's place).
        reason: why there is no number.
    """

    contexts: int = 0
    ablation_r: float = float("nan")
    kl_ablated: float = float("nan")
    kl_substituted: float = float("nan")
    reason: str = ""

    @property
    def substitution(self) -> float:
        """(ablated − substituted) / the larger of both: 1 it does all that b's feature did, 0 no more than
        nothing, −1 it harms far more than taking b's feature out.
        """
        if not self.kl_ablated > LEAST_KL:
            return float("nan")
        return (self.kl_ablated - self.kl_substituted) / max(self.kl_ablated, self.kl_substituted)


@dataclass(frozen=True, eq=False)
class Bench:
    """Two models on the same text, with a map between their states.

    Attributes:
        a, b: each with its SAE; their places are the same places of the text.
        fitted: map from a's states to b's.
        document: (n,) of each place.
        among: (n,) mask of the places at which predictions may be compared.
        ids_a, ids_b: (v,) shared tokens whose log-probabilities are compared.
        contexts: places for either feature of a pair.
    """

    a: Ablator
    b: Ablator
    fitted: FittedMap
    document: Int[np.ndarray, " n"]
    among: np.ndarray
    ids_a: Int[np.ndarray, " v"]
    ids_b: Int[np.ndarray, " v"]
    contexts: int

    def fires(self) -> tuple[np.ndarray, np.ndarray]:
        """(d_sae,) how often each feature of a, and of b, fires at the places that may be taken."""
        told = [side.at_places[np.flatnonzero(self.among)] for side in (self.a, self.b)]
        first, second = (np.bincount(one.tocoo().coords[1], minlength=one.shape[1]) for one in told)
        return first, second

    def effects(
        self,
        features_a: Int[np.ndarray, " k"],
        features_b: Int[np.ndarray, " k"],
        *,
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[Effect]:
        """Of each pair of features.

        Places are those where either feature is strongest, so that one which is silent where the other fires
        agrees with nothing there. Each place costs three passes of b and two of a.

        Args:
            features_a, features_b: the pairs.
            progress: is told how many are done.

        Source: ablation fingerprints and the substitution test of "Benchmarking Cross-Seed Feature
        Correspondence in Sparse Autoencoders" (TMLR submission 7897), there within one model; the map between
        two models, the places and the score are ours.
        """
        pairs = list(zip(features_a.tolist(), features_b.tolist(), strict=True))
        places = [self._places(a, b) for a, b in pairs]
        found: list[Effect] = []
        for group in self._groups(places):
            found += self._group([pairs[i] for i in group], [places[i] for i in group])
            progress(len(found))
        return found

    def _places(self, feature_a: int, feature_b: int) -> np.ndarray:
        chosen = [
            side.strongest(feature, self.contexts, among=self.among, document=self.document)
            for side, feature in ((self.a, feature_a), (self.b, feature_b))
        ]
        return np.unique(np.concatenate(chosen))

    def _groups(self, places: Sequence[np.ndarray]) -> Iterator[list[int]]:
        """Consecutive pairs that go through the models together."""
        group, size = [], 0
        columns = [side.column[side.at[self.among]].max(initial=0) + 1 for side in (self.a, self.b)]
        most = max(1, self.b.batch_tokens // int(max(columns)))
        for number, one in enumerate(places):
            if group and size + len(one) > most:
                yield group
                group, size = [], 0
            group.append(number)
            size += len(one)
        if group:
            yield group

    def _group(self, pairs: list[tuple[int, int]], places: list[np.ndarray]) -> list[Effect]:
        flat = np.concatenate(places).astype(np.int64)
        if not len(flat):
            return [Effect(reason="neither feature fires on the held-out text")] * len(pairs)
        of_pair = np.repeat(np.arange(len(pairs)), [len(one) for one in places])
        distinct, back = np.unique(flat, return_inverse=True)
        features = [np.array(one)[of_pair] for one in zip(*pairs, strict=True)]
        nothing = [(np.zeros(0, dtype=np.int64), np.zeros((0, 1)))] * len(distinct)
        taken, changes = [], []
        for side, feature in zip((self.a, self.b), features, strict=True):
            at = [side.firing_before(int(f), int(p)) for f, p in zip(feature, flat, strict=True)]
            lengths = [len(one) for one in at]
            gone = side.contribution(np.repeat(feature, lengths), np.concatenate(at))
            taken.append(np.split(gone, np.cumsum(lengths)[:-1]))
            changes.append([(one, -gone) for one, gone in zip(at, taken[-1], strict=True)])
        native_a = self.a.predict(distinct, nothing)[:, self.ids_a][back]
        native_b = self.b.predict(distinct, nothing)[back]
        delta_a = self.a.predict(flat, changes[0])[:, self.ids_a] - native_a
        ablated = self.b.predict(flat, changes[1])
        instead = [
            self._instead(change, gone, mine, place)
            for change, gone, mine, place in zip(changes[1], taken[0], changes[0], flat, strict=True)
        ]
        kl = [_kl(native_b, one).numpy() for one in (ablated, self.b.predict(flat, instead))]
        delta_b = (ablated - native_b)[:, self.ids_b]
        x, y = (one.double().numpy() for one in (delta_a, delta_b))
        return [
            Effect(
                int((of_pair == number).sum()),
                _correlation(x[of_pair == number], y[of_pair == number]),
                float(kl[0][of_pair == number].mean()),
                float(kl[1][of_pair == number].mean()),
            )
            if (of_pair == number).any()
            else Effect(reason="neither feature fires on the held-out text")
            for number in range(len(pairs))
        ]

    def _instead(
        self,
        change: tuple[np.ndarray, np.ndarray],
        gone: Float[np.ndarray, "m d"],
        mine: tuple[np.ndarray, np.ndarray],
        place: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """b's feature taken out, and what a's feature contributes at the shared places put in, mapped."""
        at_b = self._in_b[mine[0]]
        there = (at_b >= 0) & (self.b.row[at_b] == self.b.row[self.b.at[place]]) & (at_b <= self.b.at[place])
        given = self.fitted.apply_directions(gone[there]) if there.any() else change[1][:0]
        return np.concatenate([change[0], at_b[there]]), np.concatenate([change[1], given])

    @cached_property
    def _in_b(self) -> Int[np.ndarray, " t"]:
        """Kept token of b that ends the place which each kept token of a ends; −1 of those inside one."""
        table = np.full(len(self.a.row), -1, dtype=np.int64)
        table[self.a.at] = self.b.at
        return table


def _kl(native: "Float[torch.Tensor, 'k v']", other: "Float[torch.Tensor, 'k v']") -> torch.Tensor:
    p = native.double()
    return (p.exp() * (p - other.double())).sum(dim=-1).clamp_min(0)


def _correlation(x: Float[np.ndarray, "k v"], y: Float[np.ndarray, "k v"]) -> float:
    """Over places and tokens, with what all tokens of a place share taken off; 0 where one is flat."""
    x, y = (one - one.mean(axis=1, keepdims=True) for one in (x, y))
    lengths = np.linalg.norm(x), np.linalg.norm(y)
    if not (lengths[0] > 0 and lengths[1] > 0):
        return 0.0 if lengths[0] > 0 or lengths[1] > 0 else float("nan")
    return float((x * y).sum() / (lengths[0] * lengths[1]))
