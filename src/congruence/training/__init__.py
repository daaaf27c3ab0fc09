"""Training SAEs on a stream of activations; sae-lens does the steps (extra `train`)."""

from congruence.careful import guard
from congruence.training.config import SaeSettings, TrainingSettings
from congruence.training.loop import ActivationStream, remove_checkpoints, train
from congruence.training.sae_lens_trainer import make_trainer, require_sae_lens, store_trained

__all__ = [
    "ActivationStream",
    "SaeSettings",
    "TrainingSettings",
    "make_trainer",
    "remove_checkpoints",
    "require_sae_lens",
    "store_trained",
    "train",
]

guard(globals())
