"""Maps from one model's hidden states to another's, and what an SAE makes of mapped states."""

import importlib
from typing import TYPE_CHECKING, Any

from congruence.careful import guard
from congruence.transfer.functions import (
    FUNCTIONS,
    LogitWeightsSettings,
    StitchingSettings,
    SubstitutionSettings,
    TransferSettings,
    make_function,
)
from congruence.transfer.maps import KINDS, FittedMap, StateMoments, fit_map
from congruence.transfer.rotations import RotationAgreement, rotation_agreement

if TYPE_CHECKING:
    from congruence.transfer.judge import Transfer, transfer

__all__ = [
    "FUNCTIONS",
    "KINDS",
    "FittedMap",
    "LogitWeightsSettings",
    "RotationAgreement",
    "StateMoments",
    "StitchingSettings",
    "SubstitutionSettings",
    "Transfer",
    "TransferSettings",
    "fit_map",
    "make_function",
    "rotation_agreement",
    "transfer",
]


guard(globals())


def __getattr__(name: str) -> Any:
    """Load what judges SAEs when it is first used: a stored map is applied without torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(importlib.import_module("congruence.transfer.judge"), name)
    guard(globals(), (name,))
    return globals()[name]
