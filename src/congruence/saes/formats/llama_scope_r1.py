"""Llama-Scope-R1: `config.json` and `sae_weights.safetensors` with `log_jumprelu_threshold`."""

from collections.abc import Collection, Iterable

from congruence.saes.checks import check_size
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, folders_with, register_format
from congruence.saes.formats.openmoss import (
    check_sae_type,
    linear_weights,
    norms_in_tensors,
    openmoss_sae,
    openmoss_width,
)
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "config.json", "sae_weights.safetensors"


@register_format("llama_scope_r1")
class LlamaScopeR1(SaeFormat):
    """JumpReLU SAEs with one threshold a feature, stored as its logarithm, on the scale of scaled inputs."""

    looks_for = f"{CONFIG} and {WEIGHTS} with encoder.weight"
    reads = (CONFIG, WEIGHTS)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS, CONFIG)

    def accepts(self, files: SaeFiles) -> bool:
        names = files.header(WEIGHTS)
        fits = not files.has("lm_config.json") if names is None else "encoder.weight" in names
        return fits and files.config(CONFIG).get("sae_type") != "crosscoder"

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = files.config(CONFIG)
        return self.entry(
            files,
            hook_name=config.get("hook_point_in"),
            d_in=config.get("d_model"),
            d_sae=openmoss_width(config),
            architecture=config.get("act_fn", "jumprelu"),
        )

    def read(self, files: SaeFiles) -> Sae:
        config, tensors, path = files.config(CONFIG), files.tensors(WEIGHTS), files.path(WEIGHTS)
        check_sae_type(config, path)
        config.setdefault("act_fn", "jumprelu")
        weights = linear_weights(tensors, path, bias=config.get("use_decoder_bias", True))
        check_size(weights.W_enc.shape[0], config.get("d_model"), "d_model", path)
        check_size(weights.W_enc.shape[1], openmoss_width(config), "d_sae", path)
        jumprelu = config["act_fn"] == "jumprelu"
        return openmoss_sae(
            config,
            weights,
            take(tensors, "log_jumprelu_threshold", path).exp() if jumprelu else None,
            norms_in_tensors(tensors) or config.get("dataset_average_activation_norm") or {},
            path,
            include_decoder_norm=bool(config.get("sparsity_include_decoder_norm", False)),
        )
