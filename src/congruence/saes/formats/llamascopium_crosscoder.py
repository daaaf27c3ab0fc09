"""Llamascopium's crosscoders: `config.json` with `sae_type: crosscoder`, `sae_weights.safetensors`."""

import math
from collections.abc import Collection, Iterable
from typing import Any

import torch

from congruence.errors import SaeError, unknown_name
from congruence.saes.checks import check_size
from congruence.saes.crosscoder import Crosscoder, Reader
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, config_int, folders_with, register_format
from congruence.saes.formats.crosscoders import ARCHITECTURE, CrosscoderFormat, by_weight, check_cube
from congruence.saes.formats.openmoss import norms_in_tensors, openmoss_width
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "config.json", "sae_weights.safetensors"
_THRESHOLD = "activation_function.log_jumprelu_threshold"


@register_format("llamascopium_crosscoder")
class LlamascopiumCrosscoder(CrosscoderFormat):
    """W_E (m, d, F), b_E (m, F), whose sum is b_enc, W_D (m, F, d), b_D (m, d).

    Features are compared after being multiplied by their decoder norm at each place, so which fire may differ
    from place to place. Inputs are brought to a mean norm of √d where `norm_activation` is dataset-wise.
    """

    looks_for = f"{CONFIG} with sae_type crosscoder and {WEIGHTS}"
    reads = (CONFIG, WEIGHTS)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS, CONFIG)

    def accepts(self, files: SaeFiles) -> bool:
        return files.config(CONFIG).get("sae_type") == "crosscoder"

    def places(self, files: SaeFiles) -> int | None:
        return len(self.hook_names(files)) or None

    def hook_names(self, files: SaeFiles) -> tuple[str | None, ...]:
        names = files.config(CONFIG).get("hook_points") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SaeError(f"{files.label}/{CONFIG}: hook_points is {names!r}, expected a list of hook names")
        return tuple(names)

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = files.config(CONFIG)
        hooks = self.hook_names(files)
        return self.entry(
            files,
            hook_name=hooks[0] if hooks else None,
            d_in=config.get("d_model"),
            d_sae=openmoss_width(config),
            architecture=ARCHITECTURE,
        )

    def crosscoder(self, files: SaeFiles) -> Crosscoder:
        config, tensors, path = files.config(CONFIG), files.tensors(WEIGHTS), files.path(WEIGHTS)
        W_enc = check_cube(take(tensors, "W_E", path), "W_E", path)
        W_dec = check_cube(take(tensors, "W_D", path), "W_D", path)
        check_size(W_enc.shape[1], config.get("d_model"), "d_model", path)
        check_size(W_enc.shape[2], openmoss_width(config), "d_sae", path)
        hooks = self.hook_names(files)
        check_size(len(W_enc), len(hooks) or None, "hook_points", path)
        return Crosscoder(
            readers=(Reader(tuple(range(len(W_enc))), W_enc),),
            W_dec=W_dec,
            b_enc=take(tensors, "b_E", path).sum(dim=0),
            b_dec=take(tensors, "b_D", path),
            rules=_rules(config, tensors, W_dec.float().norm(dim=-1), path),
            scale=_scale(config, tensors, hooks, W_enc.shape[1], path),
            hook_names=hooks,
            path=path,
            metadata=config,
        )


def _rules(config: dict[str, Any], tensors: dict[str, Any], norms: torch.Tensor, path: Any) -> Any:
    kind = str(config.get("act_fn", "relu")).lower()
    if kind == "batchtopk":
        raise SaeError(
            f"{path}: batchtopk depends on the batch: convert it to jumprelu with llamascopium first"
        )
    if kind not in ("relu", "topk", "jumprelu"):
        raise SaeError(f"{path}: {unknown_name('act_fn', kind, ('relu', 'topk', 'jumprelu'))}")
    threshold = None
    if kind == "jumprelu":
        threshold = take(
            tensors, _THRESHOLD if _THRESHOLD in tensors else "log_jumprelu_threshold", path
        ).exp()
    k = config_int(config, "top_k", path, default=50) if kind == "topk" else None
    return by_weight(kind, norms, threshold, k, path)


def _scale(
    config: dict[str, Any], tensors: dict[str, Any], hooks: tuple[str | None, ...], d: int, path: Any
) -> torch.Tensor | None:
    kind = config.get("norm_activation", "dataset-wise")
    if kind == "inference":
        return None
    if kind != "dataset-wise":
        raise SaeError(f"{path}: {unknown_name('norm_activation', kind, ('dataset-wise', 'inference'))}")
    norms = norms_in_tensors(tensors)
    found = [norms.get(str(hook)) for hook in hooks]
    if not any(found):
        return None
    if not all(value is not None and 0 < value < math.inf for value in found):
        raise SaeError(
            f"{path}: dataset_average_activation_norm is {norms}, expected one for each of {hooks}"
        )
    return math.sqrt(d) / torch.tensor([float(value or 1) for value in found])
