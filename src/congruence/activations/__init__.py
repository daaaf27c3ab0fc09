"""Feature activations of a corpus: captured in one pass, kept in shards, read as CSR blocks."""

from congruence.activations.capture import Capture, capture_features, capture_together
from congruence.activations.known_sae import KnownSae, decoder_rows, sae_key, stated
from congruence.activations.plan import ActivationKind, stored_already
from congruence.activations.pooling import PooledActs, pool_rows
from congruence.activations.store import ActivationStore
from congruence.careful import guard

__all__ = [
    "ActivationKind",
    "ActivationStore",
    "Capture",
    "KnownSae",
    "PooledActs",
    "capture_features",
    "capture_together",
    "decoder_rows",
    "pool_rows",
    "sae_key",
    "stated",
    "stored_already",
]

guard(globals())
