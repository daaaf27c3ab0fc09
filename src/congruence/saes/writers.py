"""Writing SAEs as SAELens and sparsify do, so that the original libraries read them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from congruence.errors import SaeError
from congruence.hook_names import parse_hook_name
from congruence.saes.activation_functions import Gated, JumpReLU, TopK
from congruence.saes.folding import fold_decoder_norm, fold_input_factor
from congruence.saes.input_scaling import ConstantNorm, InputScaling, LayerNorm, Unscaled
from congruence.saes.sae import Sae
from congruence.storage import atomic_path, write_json

SAE_LENS_VERSION = "6.54.0"
_RULES = {"relu": "standard", "topk": "topk", "abstopk": "abstopk", "jumprelu": "jumprelu", "gated": "gated"}
_TRANSCODERS = {
    ("relu", "transcoder"): "transcoder",
    ("relu", "skip_transcoder"): "skip_transcoder",
    ("jumprelu", "transcoder"): "jumprelu_transcoder",
    ("jumprelu", "skip_transcoder"): "jumprelu_skip_transcoder",
}


def save_saelens(
    sae: Sae, folder: str | Path, *, dtype: torch.dtype | None = None, metadata: dict[str, Any] | None = None
) -> Path:
    """Write `cfg.json` and `sae_weights.safetensors` of SAELens version 6; returns the folder.

    Args:
        sae: any SAE whose rule SAELens knows (not groupmax); a constant input factor is folded in.
        folder: made if it isn't there.
        dtype: what the tensors are stored as (SAELens computes in it as well); by default the SAE's own.
        metadata: more for the config's `metadata`, such as model_name and prepend_bos.

    Raises:
        SaeError: SAELens has no such architecture or input scaling.
    """
    sae = fold_input_factor(sae)
    if sae.rescale_by_decoder_norm and not isinstance(sae.activation, TopK):
        sae = fold_decoder_norm(sae)
    architecture = _saelens_architecture(sae)
    stored = sae.to("cpu", dtype)
    config: dict[str, Any] = {
        "d_in": sae.d_in,
        "d_sae": sae.d_sae,
        "dtype": str(stored.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": sae.subtract_b_dec,
        "normalize_activations": _saelens_scaling(sae.scaling),
        "reshape_activations": "none",
        "metadata": _metadata(sae, metadata or {}),
        "architecture": architecture,
    }
    if isinstance(sae.activation, TopK):
        config |= {"k": sae.activation.k, "rescale_acts_by_decoder_norm": sae.rescale_by_decoder_norm}
    if sae.is_transcoder:
        config["d_out"] = sae.d_out
    return _write(Path(folder), "cfg.json", config, "sae_weights.safetensors", _saelens_tensors(stored))


def save_sparsify(sae: Sae, folder: str | Path, *, dtype: torch.dtype | None = None) -> Path:
    """Write `cfg.json` and `sae.safetensors` of sparsify; name the folder after the hook point, `layers.3`.

    Args:
        sae: a TopK or GroupMax SAE or transcoder without input scaling.
        folder: made if it isn't there; returned.
        dtype: what the tensors are stored as; by default the SAE's own.

    Raises:
        SaeError: sparsify can't say what this SAE does.
    """
    sae = _subtracting_b_dec(fold_input_factor(sae))
    _refuse_what_sparsify_lacks(sae)
    stored = sae.to("cpu", dtype)
    tensors = {
        "encoder.weight": stored.W_enc.T,
        "encoder.bias": stored.b_enc,
        "W_dec": stored.W_dec,
        "b_dec": stored.b_dec,
    }
    if stored.W_skip is not None:
        tensors["W_skip"] = stored.W_skip
    config = {
        "activation": sae.activation.name,
        "expansion_factor": max(1, sae.d_sae // sae.d_in),
        "normalize_decoder": bool(torch.allclose(sae.W_dec.float().norm(dim=1), torch.ones(1), atol=1e-2)),
        "num_latents": sae.d_sae,
        "k": sae.k,
        "multi_topk": False,
        "skip_connection": sae.W_skip is not None,
        "transcode": not sae.subtract_b_dec,
        "d_in": sae.d_in,
    }
    return _write(Path(folder), "cfg.json", config, "sae.safetensors", tensors)


def _write(
    folder: Path, config_name: str, config: dict[str, Any], weights_name: str, tensors: dict[str, Tensor]
) -> Path:
    """Weights first: a folder with a config is whole."""
    from safetensors.torch import save_file

    with atomic_path(folder / weights_name) as temporary:
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, temporary)
    write_json(folder / config_name, config)
    return folder


def _saelens_architecture(sae: Sae) -> str:
    rule = sae.activation.name
    name = _TRANSCODERS.get((rule, sae.architecture)) if sae.is_transcoder else _RULES.get(rule)
    unlike = isinstance(sae.activation, TopK) and (
        not sae.activation.relu or sae.activation.weight is not None
    )
    if name is None or unlike:
        raise SaeError(f"SAELens has no {sae.architecture} with {rule}: use save_sparsify for it")
    return name


def _saelens_scaling(scaling: InputScaling) -> str:
    if type(scaling) in (Unscaled, LayerNorm, ConstantNorm):
        return scaling.name
    raise SaeError(f"SAELens has no input scaling {scaling.name!r}: fold it into the weights first")


def _saelens_tensors(sae: Sae) -> dict[str, Tensor]:
    tensors = {"W_enc": sae.W_enc, "W_dec": sae.W_dec, "b_dec": sae.b_dec}
    if isinstance(sae.activation, Gated):
        return tensors | {"b_mag": sae.b_enc, "b_gate": sae.activation.b_gate, "r_mag": sae.activation.r_mag}
    tensors["b_enc"] = sae.b_enc
    if isinstance(sae.activation, JumpReLU):
        tensors["threshold"] = sae.activation.threshold.expand(sae.d_sae)
    if sae.W_skip is not None:
        tensors["W_skip"] = sae.W_skip
    return tensors


def _metadata(sae: Sae, more: dict[str, Any]) -> dict[str, Any]:
    known = dict(sae.metadata.get("metadata") or {}) if sae.format == "saelens" else {}
    hooks = {
        "hook_name": _transformer_lens(sae.hook_name),
        "hook_name_out": _transformer_lens(sae.hook_name_out),
    }
    named = {name: value for name, value in hooks.items() if value}
    return {"sae_lens_version": SAE_LENS_VERSION, "sae_lens_training_version": None} | known | named | more


def _transformer_lens(hook_name: str | None) -> str | None:
    point = parse_hook_name(hook_name) if hook_name else None
    return point.transformer_lens if point else hook_name


def _refuse_what_sparsify_lacks(sae: Sae) -> None:
    if sae.activation.name not in ("topk", "groupmax"):
        raise SaeError(f"sparsify has topk and groupmax, not {sae.activation.name}: use save_saelens for it")
    weighted = isinstance(sae.activation, TopK) and sae.activation.weight is not None
    if type(sae.scaling) is not Unscaled or sae.rescale_by_decoder_norm or weighted:
        raise SaeError("sparsify scales neither inputs nor activations: fold that into the weights first")
    if sae.d_out != sae.d_in:
        raise SaeError(f"sparsify needs d_out = d_in, this transcoder has {sae.d_out} and {sae.d_in}")


def _subtracting_b_dec(sae: Sae) -> Sae:
    """An SAE that encodes alike and subtracts b_dec first, as sparsify's do; its transcoders don't."""
    if sae.is_transcoder or sae.subtract_b_dec:
        return sae
    return replace(sae, b_enc=sae.b_enc + sae.b_dec @ sae.W_enc, subtract_b_dec=True)
