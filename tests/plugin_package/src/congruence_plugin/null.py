"""`rotation`: re-pairings that turn the rows around by one offset, so that neighbours stay neighbours."""

import numpy as np

from congruence.nulls import Setting, null
from congruence.rng import derive


@null("rotation", hypothesis="every offset between the two orders of rows is equally likely", repairs=True)
def rotation(setting: Setting, numbers: range) -> np.ndarray:
    """Scores with row i of x paired with row (i + offset) mod n of y; draw d has its own offset."""
    n = setting.prepared.n
    offsets = [derive(setting.seed, "rotation", number).integers(1, n) for number in numbers]
    return setting.prepared.repaired(np.array([(np.arange(n) + offset) % n for offset in offsets]))
