"""What OpenMOSS's formats (Llama Scope, Llama-Scope-R1, Llamascopium) have in common.

Inputs are brought to a mean norm of √d by s_in = √d / dataset_average_activation_norm, outputs likewise by
s_out; features compete or pass their threshold after being multiplied by their decoder norm n, if the config
says so, but keep their own value.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from congruence.errors import SaeError, unknown_name
from congruence.saes.activation_functions import Activation, JumpReLU, ReLU, TopK
from congruence.saes.checks import check_matrix
from congruence.saes.formats.base import config_int
from congruence.saes.input_scaling import ConstantFactor, ConstantNorm, InputScaling, Unscaled
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

NORM_PREFIX = "dataset_average_activation_norm."


@dataclass(frozen=True)
class Weights:
    """Tensors in our orientation: W_enc (d_in, d_sae), W_dec (d_sae, d_out)."""

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor | None


def openmoss_sae(
    config: Mapping[str, Any],
    weights: Weights,
    threshold: Tensor | None,
    norms: Mapping[str, float],
    path: Path,
    *,
    include_decoder_norm: bool,
) -> Sae:
    """An `Sae` from an OpenMOSS config.

    Args:
        config: `config.json` or `hyperparams.json`.
        weights: the tensors.
        threshold: of JumpReLU, on the scale of scaled inputs and times n if `include_decoder_norm`.
        norms: mean norms of the data by hook name, or under "in" and "out".
        path: the file, for messages.
        include_decoder_norm: whether n takes part in choosing features.

    Raises:
        SaeError: a gated linear unit, an unknown activation or normalisation.
    """
    if config.get("use_glu_encoder"):
        raise SaeError(f"{path}: use_glu_encoder isn't supported: only linear encoders are")
    hook_in, hook_out = config.get("hook_point_in"), config.get("hook_point_out")
    transcoder = hook_out is not None and hook_out != hook_in
    d_in, d_out = weights.W_enc.shape[0], weights.W_dec.shape[-1]
    scaling, out_factor = _scaling(config, norms, d_in, path)
    norm = weights.W_dec.float().norm(dim=-1) if include_decoder_norm else None
    W_dec = weights.W_dec
    b_dec = weights.b_dec if weights.b_dec is not None else W_dec.new_zeros(d_out)
    if transcoder:
        W_dec, b_dec = W_dec / out_factor, b_dec / out_factor
    return Sae(
        W_enc=weights.W_enc,
        W_dec=W_dec,
        b_enc=weights.b_enc,
        b_dec=b_dec,
        activation=_activation(config, threshold, norm, path),
        architecture="transcoder" if transcoder else _rule_name(config),
        scaling=scaling,
        subtract_b_dec=bool(config.get("apply_decoder_bias_to_pre_encoder", False)) and not transcoder,
        hook_name=hook_in,
        hook_name_out=hook_out if transcoder else None,
        path=path,
        metadata=dict(config),
    )


_REFUSED = {
    "lorsa": "Lorsa (low-rank sparse attention): a token's code depends on the tokens before it",
    "molt": "a mixture of linear transforms: its features write matrices, not vectors",
    "clt": "a cross-layer transcoder in one file: save its layers as circuit-tracer does",
}


def check_sae_type(config: Mapping[str, Any], path: Path | str) -> None:
    """Refuse by name what isn't an SAE or transcoder of one layer."""
    if told := refusal(config, path):
        raise SaeError(told)


def refusal(config: Mapping[str, Any], path: Path | str) -> str:
    """The line that refuses it; "" for what is read."""
    kind = config.get("sae_type", "sae")
    if kind == "sae":
        return ""
    why = _REFUSED.get(str(kind), "only 'sae' and 'crosscoder' are")
    return f"{path}: sae_type {kind!r} isn't supported: {why}"


def linear_weights(tensors: Mapping[str, Any], path: Path, *, bias: bool) -> Weights:
    """The weights of `torch.nn.Linear` layers, which have outputs first."""
    return Weights(
        W_enc=check_matrix(take(tensors, "encoder.weight", path), "encoder.weight", path).T,
        b_enc=take(tensors, "encoder.bias", path),
        W_dec=check_matrix(take(tensors, "decoder.weight", path), "decoder.weight", path).T,
        b_dec=take(tensors, "decoder.bias", path) if bias else None,
    )


def openmoss_width(config: Mapping[str, Any]) -> int | None:
    """d_sae, stated or as d_model times the expansion factor."""
    if config.get("d_sae") is not None:
        return config["d_sae"]
    size, factor = config.get("d_model"), config.get("expansion_factor")
    return round(size * factor) if size and factor else None


def norms_in_tensors(tensors: Mapping[str, Any]) -> dict[str, float]:
    """Mean norms of the data, which later versions store as scalars among the weights."""
    return {
        name.removeprefix(NORM_PREFIX): float(v)
        for name, v in tensors.items()
        if name.startswith(NORM_PREFIX)
    }


def input_factors(
    norms: Mapping[str, float], config: Mapping[str, Any], d_in: int, path: Path
) -> tuple[float, float]:
    """(s_in, s_out) of the module's docstring."""
    hook_in, hook_out = config.get("hook_point_in", "in"), config.get("hook_point_out", "out")
    norm_in = norms.get(hook_in, norms.get("in"))
    norm_out = norms.get(hook_out, norms.get("out", norm_in))
    for value in (norm_in, norm_out):
        if not isinstance(value, int | float) or not 0 < value < math.inf:
            raise SaeError(
                f"{path}: dataset_average_activation_norm is {dict(norms)}, expected positive norms"
            )
    return math.sqrt(d_in) / norm_in, math.sqrt(d_in) / norm_out  # pyright: ignore[reportOperatorIssue]


def _scaling(
    config: Mapping[str, Any], norms: Mapping[str, float], d_in: int, path: Path
) -> tuple[InputScaling, float]:
    kind = config.get("norm_activation", "dataset-wise")
    if kind == "dataset-wise" and not norms:
        return Unscaled(), 1.0
    if kind == "dataset-wise":
        s_in, s_out = input_factors(norms, config, d_in, path)
        return ConstantFactor(s_in), s_out
    known = {"token-wise": ConstantNorm(), "inference": Unscaled()}
    if kind not in known:
        raise SaeError(f"{path}: {unknown_name('norm_activation', kind, [*known, 'dataset-wise'])}")
    return known[kind], 1.0


def _rule_name(config: Mapping[str, Any]) -> str:
    return str(config.get("act_fn", "relu")).lower()


def _activation(
    config: Mapping[str, Any], threshold: Tensor | None, norm: Tensor | None, path: Path
) -> Activation:
    rule = _rule_name(config)
    if rule == "relu":
        return ReLU()
    if rule == "topk":
        return TopK(config_int(dict(config), "top_k", path, default=50), weight=norm)
    if rule == "jumprelu":
        if threshold is None:
            raise SaeError(f"{path} has no JumpReLU threshold, but act_fn is jumprelu: is the file whole?")
        # a feature whose decoder row is zero never passes
        return JumpReLU(threshold if norm is None else torch.where(norm > 0, threshold / norm, torch.inf))
    if rule == "batchtopk":
        raise SaeError(
            f"{path}: batchtopk depends on the batch: convert it to jumprelu with llamascopium first"
        )
    raise SaeError(f"{path}: {unknown_name('act_fn', rule, ('relu', 'topk', 'jumprelu'))}")
