"""The former name of `congruence.run.layer`."""

from congruence.run.layer import Layer as LayerFeatures
from congruence.run.layer import Vocabulary, shared_vocabulary

__all__ = ["LayerFeatures", "Vocabulary", "shared_vocabulary"]
