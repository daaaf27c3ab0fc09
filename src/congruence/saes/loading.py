"""`load_sae`: any SAE, from a folder, a file or the Hub, by what its files say."""

import logging
from dataclasses import replace
from pathlib import Path

import torch

from congruence.errors import SaeError, unknown_name
from congruence.saes.checks import check_sae
from congruence.saes.folding import fold_decoder_norm as fold
from congruence.saes.input_scaling import ConstantFactor
from congruence.saes.locations import locate
from congruence.saes.recognition import Found, find_one
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


def load_sae(
    path_or_hub_id: str | Path,
    *,
    sae_id: str | None = None,
    hook_name: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | str | None = None,
    fold_decoder_norm: bool = False,
) -> Sae:
    """Read one SAE; its format is recognised from the files.

    Args:
        path_or_hub_id: a folder, a file, a Hub id (`owner/name`, or `owner/name/folder`), or a SAELens
            release name where sae-lens is installed.
        sae_id: which of several: its path below `path_or_hub_id`, or a hook name of either dialect.
        hook_name: where the SAE reads, if the files don't say or are wrong.
        device: where the tensors go.
        dtype: what they are cast to; by default float32, whatever the file stores.
        fold_decoder_norm: scale decoder rows to norm 1 and activations up by what they lost.

    Raises:
        SaeError: one line naming the file, what is wrong with it and what to do.
    """
    wanted_dtype = as_dtype(dtype)
    location = locate(path_or_hub_id, sae_id)
    sae = with_input_factor(read(find_one(location.source, location.wanted)), location.input_factor)
    sae = _on_device(sae, device, wanted_dtype)
    if hook_name is not None:
        sae = replace(sae, hook_name=hook_name)
    return fold(sae) if fold_decoder_norm else sae


def read(found: Found) -> Sae:
    """The SAE as stored, checked."""
    sae = found.format.read(found.files)
    return check_sae(replace(sae, format=found.format.name))


def _on_device(sae: Sae, device: str | torch.device, dtype: torch.dtype) -> Sae:
    try:
        return sae.to(device, dtype)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a device it doesn't have
        reason = next(iter(str(error).splitlines()), "")
        raise SaeError(f"device {str(device)!r} can't be used: {reason}") from error


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
