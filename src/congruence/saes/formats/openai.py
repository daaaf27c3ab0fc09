"""OpenAI's sparse_autoencoder: `3.pt`, layers counted from zero, the site in the folder's name."""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor

from congruence.errors import SaeError, quoted, unknown_name
from congruence.saes.activation_functions import Activation, ReLU, TopK
from congruence.saes.checks import check_matrix
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, register_format
from congruence.saes.input_scaling import LayerNorm, Unscaled
from congruence.saes.sae import Sae
from congruence.saes.tensors import take

_FILE = re.compile(r"(?:.*[_.-])?(\d+)\.pt")
_SITES = {
    "resid_post_mlp": "blocks.{}.hook_resid_post",
    "resid_post_attn": "blocks.{}.hook_resid_mid",
    "resid_delta_mlp": "blocks.{}.hook_mlp_out",
    "resid_delta_attn": "blocks.{}.hook_attn_out",
    "mlp_post_act": "blocks.{}.mlp.hook_post",
}


@register_format("openai")
class OpenAI(SaeFormat):
    """TopK SAEs on inputs that are layer-normed a token at a time, and ReLU ones on inputs as they are."""

    looks_for = "<layer>.pt with pre_bias and latent_bias"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [file for file in files if re.fullmatch(r"\d+\.pt", PurePosixPath(file).name)]

    def accepts(self, files: SaeFiles) -> bool:
        """A config of its own belongs to another layout of numbered files."""
        return not files.has(f"../{PurePosixPath(files.label).stem}_cfg.json")

    def describe(self, files: SaeFiles) -> SaeEntry:
        return self.entry(files, layer=_layer(files), hook_name=_hook(files))

    def read(self, files: SaeFiles) -> Sae:
        state, path = files.tensors(), files.path()
        W_enc = check_matrix(take(state, "encoder.weight", path), "encoder.weight", path).T
        rule = _activation(state, path)
        return Sae(
            W_enc=W_enc,
            W_dec=_decoder(state, W_enc, path),
            b_enc=take(state, "latent_bias", path),
            b_dec=take(state, "pre_bias", path),
            activation=rule,
            architecture=rule.name,
            scaling=LayerNorm() if rule.name == "topk" else Unscaled(),
            hook_name=_hook(files),
            path=path,
        )


def _decoder(state: Mapping[str, Any], W_enc: Tensor, path: Path) -> Tensor:
    """W_dec; a tied decoder is stored as the encoder itself."""
    if "decoder.linear.weight" in state:
        return W_enc.T
    return check_matrix(take(state, "decoder.weight", path), "decoder.weight", path).T


def _activation(state: Mapping[str, Any], path: Path) -> Activation:
    name = state.get("activation", "ReLU")
    if name == "ReLU":
        return ReLU()
    if name != "TopK":
        raise SaeError(f"{path}: {unknown_name('OpenAI activation', name, ('ReLU', 'TopK'))}")
    settings = state.get("activation_state_dict")
    k = settings.get("k") if isinstance(settings, Mapping) else None
    if not isinstance(k, int):
        raise SaeError(
            f"{path}: activation_state_dict has k={quoted(k)}, expected a whole number: is the file whole?"
        )
    return TopK(k, relu=settings.get("postact_fn", "ReLU") != "Identity")  # pyright: ignore[reportOptionalMemberAccess]


def _layer(files: SaeFiles) -> int | None:
    found = _FILE.fullmatch(PurePosixPath(files.label).name)
    return int(found[1]) if found else None


def _hook(files: SaeFiles) -> str | None:
    layer = _layer(files)
    site = next((site for site in _SITES if site in files.label), None)
    return None if layer is None or site is None else _SITES[site].format(layer)
