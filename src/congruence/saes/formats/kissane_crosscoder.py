"""Kissane's and Nanda's crosscoders: `cfg.json` and `cc_weights.pt`, or `<name>.pt` and `<name>_cfg.json`."""

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Any

from congruence.errors import SaeError
from congruence.hook_names import parse_hook_name
from congruence.saes.crosscoder import Crosscoder, Reader
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, folders_with, register_format
from congruence.saes.formats.crosscoders import ARCHITECTURE, CrosscoderFormat, check_cube
from congruence.saes.formats.hook_z import own_config_name, with_own_config
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "cfg.json", "cc_weights.pt"


@register_format("kissane_crosscoder")
class KissaneCrosscoder(CrosscoderFormat):
    """ReLU crosscoders: W_enc (m, d, F), W_dec (F, m, d), b_dec (m, d).

    They were trained on inputs of a mean norm of √d, by factors that stand in nobody's file: fold them into
    the weights and save it anew (the library's own notebooks do).
    """

    looks_for = f"{CONFIG} and {WEIGHTS}, or <name>.pt and <name>_cfg.json with hook_point"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [*folders_with(files, WEIGHTS, CONFIG), *with_own_config(files)]

    def accepts(self, files: SaeFiles) -> bool:
        return files.has(WEIGHTS) or "act_name" not in self._config(files)

    def parts(self, files: SaeFiles) -> list[str]:
        return [CONFIG, WEIGHTS] if files.has(WEIGHTS) else ["", own_config_name(files)]

    def places(self, files: SaeFiles) -> int | None:
        found = self._config(files).get("n_models", 2)
        return found if isinstance(found, int) else None

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = self._config(files)
        return self.entry(
            files,
            hook_name=_hook(files, config),
            d_in=config.get("d_in"),
            d_sae=config.get("dict_size"),
            architecture=ARCHITECTURE,
        )

    def crosscoder(self, files: SaeFiles) -> Crosscoder:
        config, weights = self._config(files), WEIGHTS if files.has(WEIGHTS) else ""
        tensors, path = files.tensors(weights), files.path(weights)
        W_enc = check_cube(take(tensors, "W_enc", path), "W_enc", path)
        W_dec = check_cube(take(tensors, "W_dec", path), "W_dec", path)
        hook = _hook(files, config)
        return Crosscoder(
            readers=(Reader(tuple(range(len(W_enc))), W_enc),),
            W_dec=W_dec.transpose(0, 1),
            b_enc=take(tensors, "b_enc", path),
            b_dec=take(tensors, "b_dec", path),
            hook_names=(hook,) * len(W_enc),
            path=path,
            metadata=config,
        )

    @staticmethod
    def _config(files: SaeFiles) -> dict[str, Any]:
        return files.config(CONFIG if files.has(WEIGHTS) else own_config_name(files))


def _hook(files: SaeFiles, config: dict[str, Any]) -> str | None:
    hook = config.get("hook_point", config.get("hook_name"))
    if hook is None:
        name = PurePosixPath(files.label).name
        return name if parse_hook_name(name) else None
    if not isinstance(hook, str):
        raise SaeError(f"{files.label}: hook_point is {hook!r}, expected a word: the config is broken")
    return hook
