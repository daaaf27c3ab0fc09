"""Training SAEs on a stream of activations; sae-lens does the steps (extra `train`)."""

from congruence.training.checkpoint import remove_checkpoints
from congruence.training.loop import ActivationStream, train
from congruence.training.quality import Quality, QualityMeter
from congruence.training.sae_lens_trainer import make_trainer, require_sae_lens
from congruence.training.settings import SaeSettings, TrainingSettings
from congruence.training.store import store_trained

__all__ = [
    "ActivationStream",
    "Quality",
    "QualityMeter",
    "SaeSettings",
    "TrainingSettings",
    "make_trainer",
    "remove_checkpoints",
    "require_sae_lens",
    "store_trained",
    "train",
]
