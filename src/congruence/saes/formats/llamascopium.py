"""Llamascopium: `config.json`, `lm_config.json` and `sae_weights.safetensors` with W_E, b_E, W_D, b_D."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from congruence.saes.checks import check_matrix, check_size
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, folders_with, register_format
from congruence.saes.formats.openmoss import (
    Weights,
    check_sae_type,
    norms_in_tensors,
    openmoss_sae,
    openmoss_width,
    refusal,
)
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "config.json", "sae_weights.safetensors"
_THRESHOLD = "activation_function.log_jumprelu_threshold"


@register_format("llamascopium")
class Llamascopium(SaeFormat):
    """SAEs and transcoders of the library that Llama Scope's has become; b_dec isn't subtracted."""

    looks_for = f"{CONFIG} and {WEIGHTS} with W_E"
    reads = (CONFIG, WEIGHTS)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS, CONFIG)

    def accepts(self, files: SaeFiles) -> bool:
        names = files.header(WEIGHTS)
        fits = files.has("lm_config.json") if names is None else "W_E" in names
        return fits and files.config(CONFIG).get("sae_type") != "crosscoder"

    def refused(self, files: SaeFiles) -> str:
        return refusal(files.config(CONFIG), files.label)

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = files.config(CONFIG)
        return self.entry(
            files,
            hook_name=config.get("hook_point_in"),
            d_in=config.get("d_model"),
            d_sae=openmoss_width(config),
            architecture=_architecture(config),
        )

    def read(self, files: SaeFiles) -> Sae:
        config, path = files.config(CONFIG), files.path(WEIGHTS)
        check_sae_type(config, path)
        tensors = files.tensors(WEIGHTS)
        weights = Weights(
            W_enc=check_matrix(take(tensors, "W_E", path), "W_E", path),
            b_enc=take(tensors, "b_E", path),
            W_dec=check_matrix(take(tensors, "W_D", path), "W_D", path),
            b_dec=take(tensors, "b_D", path) if config.get("use_decoder_bias", True) else None,
        )
        check_size(weights.W_enc.shape[0], config.get("d_model"), "d_model", path)
        check_size(weights.W_enc.shape[1], openmoss_width(config), "d_sae", path)
        return openmoss_sae(
            config,
            weights,
            _threshold(config, tensors, path),
            norms_in_tensors(tensors),
            path,
            include_decoder_norm=bool(config.get("sparsity_include_decoder_norm", True)),
        )


def _architecture(config: dict[str, Any]) -> str:
    if (kind := config.get("sae_type", "sae")) != "sae":
        return str(kind)
    hook_in, hook_out = config.get("hook_point_in"), config.get("hook_point_out")
    return "transcoder" if hook_out and hook_out != hook_in else config.get("act_fn", "relu")


def _threshold(config: dict[str, Any], tensors: dict[str, Any], path: Path) -> Tensor | None:
    if config.get("act_fn", "relu") != "jumprelu":
        return None
    return take(tensors, _THRESHOLD if _THRESHOLD in tensors else "log_jumprelu_threshold", path).exp()
