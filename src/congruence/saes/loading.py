"""What is done to an SAE after its format has read it: checked, scaled, moved, cast, folded."""

import logging
from dataclasses import replace

import torch

from congruence.devices import why_not
from congruence.errors import SaeError, unknown_name
from congruence.saes.folding import fold_decoder_norm as fold
from congruence.saes.input_scaling import ConstantFactor
from congruence.saes.sae import Sae

log = logging.getLogger(__name__)

_WANT_A_MEAN_NORM = {"expected_average_only_in", "covariance_whitening", "dataset-wise"}
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
_SHORT_DTYPES = {
    "fp32": "float32",
    "fp64": "float64",
    "fp16": "float16",
    "bf16": "bfloat16",
    "half": "float16",
}


def finished(
    sae: Sae,
    *,
    hook_name: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | str | None = None,
    fold_decoder_norm: bool = False,
) -> Sae:
    """The SAE as `load_sae` gives it; the options are that function's.

    Raises:
        SaeError: no such device or dtype, or decoder norms that can't be folded.
    """
    sae = _on_device(sae, device, as_dtype(dtype))
    if hook_name is not None:
        sae = replace(sae, hook_name=hook_name)
    return fold(sae) if fold_decoder_norm else sae


def with_input_factor(sae: Sae, factor: float | None) -> Sae:
    """The SAE on inputs times `factor`, if its config wants a mean norm that the files don't hold."""
    wants = sae.metadata.get("normalize_activations"), sae.metadata.get("norm_activation")
    if sae.scaling.name != "none" or not set(wants) & _WANT_A_MEAN_NORM:
        return sae
    if factor is not None:
        return replace(sae, scaling=ConstantFactor(factor))
    log.warning("%s: trained on inputs of a fixed mean norm; taken as folded into the weights", sae.path)
    return sae


def as_dtype(dtype: torch.dtype | str | None) -> torch.dtype:
    """A floating-point torch dtype from its name; float32 by default.

    Raises:
        SaeError: no such dtype.
    """
    if dtype is None:
        return torch.float32
    if isinstance(dtype, torch.dtype):
        return dtype
    name = str(dtype).removeprefix("torch.")
    name = _SHORT_DTYPES.get(name, name)
    if name not in DTYPES:
        raise SaeError(unknown_name("dtype", dtype, DTYPES))
    return DTYPES[name]


def check_device(device: str | torch.device) -> None:
    """Refuse a device that isn't there.

    Raises:
        SaeError: names it and what there is.
    """
    if reason := why_not(device):
        raise SaeError(reason)


def _on_device(sae: Sae, device: str | torch.device, dtype: torch.dtype) -> Sae:
    check_device(device)
    return sae.to(device, dtype)
