"""Training SAEs on a stream of activations; sae-lens does the steps (extra `train`)."""

from congruence.saes.training.checkpoint import remove_checkpoints
from congruence.saes.training.loop import ActivationStream, train
from congruence.saes.training.quality import Quality, QualityMeter
from congruence.saes.training.sae_lens_trainer import make_trainer, require_sae_lens
from congruence.saes.training.settings import SaeSettings, TrainingSettings
from congruence.saes.training.store import store_trained

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
