"""Null `pairing`: the features are the same, who is paired with whom is chance (the papers' Test 1)."""

import numpy as np
from jaxtyping import Float

from congruence.nulls.permutations import permutations_for
from congruence.nulls.registry import Setting, null


@null("pairing", hypothesis="every pairing of these features is equally likely", repairs=True)
def pairing(setting: Setting, numbers: range) -> Float[np.ndarray, " m"]:
    """Scores under uniformly random re-pairings of all rows."""
    return setting.prepared.repaired(permutations_for(setting.seed, numbers, setting.prepared.n))
