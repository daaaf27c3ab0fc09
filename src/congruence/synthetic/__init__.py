"""Models made up so that it is known which of their features are the same."""

from congruence.careful import guard
from congruence.synthetic.dictionaries import Recovered, recovered, trained_sae, true_sae
from congruence.synthetic.effects import Effects
from congruence.synthetic.firing import Block, Firing
from congruence.synthetic.head import language_model, unembedding_of
from congruence.synthetic.options import WorldOptions
from congruence.synthetic.truth import Truth
from congruence.synthetic.world import SyntheticModel, World, make_world

__all__ = [
    "Block",
    "Effects",
    "Firing",
    "Recovered",
    "SyntheticModel",
    "Truth",
    "World",
    "WorldOptions",
    "language_model",
    "make_world",
    "recovered",
    "trained_sae",
    "true_sae",
    "unembedding_of",
]

guard(globals())
