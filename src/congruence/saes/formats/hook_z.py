"""Kissane and Krzyzanowski's attention SAEs: `<name>.pt` and `<name>_cfg.json`, on the z of all heads."""

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Any

from congruence.saes.checks import check_matrix, check_size
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, register_format
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder
from congruence.saes.tensors import take

CONFIG = "_cfg.json"


@register_format("hook_z")
class HookZ(SaeFormat):
    """ReLU SAEs that subtract b_dec; the config says act_name, act_size and dict_size."""

    looks_for = "<name>.pt and <name>_cfg.json with act_name"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return with_own_config(files)

    def accepts(self, files: SaeFiles) -> bool:
        if not isinstance(files.source, LocalFolder):
            return True
        return "act_size" in own_config(files) or "act_name" in own_config(files)

    def parts(self, files: SaeFiles) -> list[str]:
        return ["", own_config_name(files)]

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = own_config(files)
        return self.entry(
            files,
            hook_name=config.get("act_name"),
            d_in=config.get("act_size"),
            d_sae=config.get("dict_size"),
            architecture="relu",
        )

    def read(self, files: SaeFiles) -> Sae:
        config, tensors, path = own_config(files), files.tensors(), files.path()
        sae = Sae(
            W_enc=check_matrix(take(tensors, "W_enc", path), "W_enc", path),
            W_dec=take(tensors, "W_dec", path),
            b_enc=take(tensors, "b_enc", path),
            b_dec=take(tensors, "b_dec", path),
            hook_name=config.get("act_name"),
            path=path,
            metadata=config,
        )
        check_size(sae.d_in, config.get("act_size"), "act_size", path)
        check_size(sae.d_sae, config.get("dict_size"), "dict_size", path)
        return sae


def with_own_config(files: Collection[str]) -> list[str]:
    """Torch files that have a config of their own name beside them."""
    torch_files = (file for file in files if file.endswith(".pt"))
    return [file for file in torch_files if file.removesuffix(".pt") + CONFIG in files]


def own_config_name(files: SaeFiles) -> str:
    """That config, as `SaeFiles.path` takes it."""
    return f"../{PurePosixPath(files.label).stem}{CONFIG}"


def own_config(files: SaeFiles) -> dict[str, Any]:
    """That config."""
    return files.config(own_config_name(files))
