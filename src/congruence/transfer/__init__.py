"""Maps from one model's hidden states to another's, and what an SAE makes of mapped states."""

from congruence.careful import guard
from congruence.transfer.judge import Transfer, transfer
from congruence.transfer.maps import KINDS, FittedMap, StateMoments, fit_map

__all__ = ["KINDS", "FittedMap", "StateMoments", "Transfer", "fit_map", "transfer"]

guard(globals())
