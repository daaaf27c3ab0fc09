"""Feature activations of a corpus: captured in one pass, kept in shards, read as CSR blocks."""

from congruence.activations.capture import capture_features, capture_together
from congruence.activations.pooling import PooledActs, pool_rows
from congruence.activations.sae_keys import sae_key
from congruence.activations.store import ActivationStore

__all__ = ["ActivationStore", "PooledActs", "capture_features", "capture_together", "pool_rows", "sae_key"]
