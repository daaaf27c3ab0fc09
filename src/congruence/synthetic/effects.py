"""What the features of a world do: the tokens that each makes more likely."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from congruence.errors import InputError
from congruence.rng import derive
from congruence.synthetic.options import WorldOptions
from congruence.synthetic.truth import Truth

PROMOTED = 10
"""Tokens that a feature makes more likely."""
STRENGTH = 2.0
"""Nats that it adds to the logits of these on average, where it fires at 1."""


@dataclass(frozen=True, eq=False)
class Effects:
    """Which features of which models do the same.

    Every concept promotes ten tokens of its own choice, each by a strength of its own. What is shared does
    the same in all models, but for a share `other_effects` of it: such a feature fires as its partners do,
    and promotes other tokens in every model but the first.

    Attributes:
        tokens, strengths: (effects, 10) tokens that each effect promotes, and by how much.
        of: for each model the (f,) effect of every feature.
    """

    tokens: Int[np.ndarray, "e k"]
    strengths: Float[np.ndarray, "e k"]
    of: tuple[Int[np.ndarray, " f"], ...]

    @classmethod
    def planted(cls, options: WorldOptions, truth: Truth) -> "Effects":
        """The effects of a world's concepts: one a concept, then one more for each model that differs."""
        rng = derive(options.seed, "effects")
        concepts = len(truth.rate)
        other = rng.permutation(truth.n_shared)[: round(options.other_effects * truth.n_shared)]
        of = [
            np.where(np.isin(concept, other) & (model > 0), concepts * model + concept, concept)
            for model, concept in enumerate(truth.concept)
        ]
        count = concepts * options.models
        ranks = rng.random((count, options.vocabulary)).argpartition(PROMOTED, axis=1)[:, :PROMOTED]
        return cls(np.sort(ranks, axis=1), STRENGTH * rng.gamma(4.0, 0.25, ranks.shape), tuple(of))

    def do_the_same(
        self,
        feature_a: Int[np.ndarray, " p"],
        feature_b: Int[np.ndarray, " p"],
        *,
        models: tuple[int, int] = (0, 1),
    ) -> Bool[np.ndarray, " p"]:
        """Whether both features of each pair have the same effect.

        Raises:
            InputError: there is no such model.
        """
        if not all(0 <= model < len(self.of) for model in models):
            raise InputError(f"models {models}: the world has models 0 to {len(self.of) - 1}")
        return self.of[models[0]][feature_a] == self.of[models[1]][feature_b]

    def logits(self, model: int, vocabulary: int) -> Float[np.ndarray, "f v"]:
        """What each feature of a model adds to the logits where it fires at 1."""
        of = self.of[model]
        found = np.zeros((len(of), vocabulary))
        np.put_along_axis(found, self.tokens[of], self.strengths[of], axis=1)
        return found
