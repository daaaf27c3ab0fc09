"""Crosscoders as proposed for SAELens (pull request 475): `cfg.json` with `hook_names`, W_enc (m, d, F)."""

from collections.abc import Collection, Iterable
from typing import Any

from congruence.errors import SaeError
from congruence.saes.activation_functions import ReLU
from congruence.saes.checks import check_size
from congruence.saes.crosscoder import Crosscoder, Reader
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, folders_with, register_format
from congruence.saes.formats.crosscoders import ARCHITECTURE, CrosscoderFormat, check_cube
from congruence.saes.formats.saelens import modern_config
from congruence.saes.tensors import take

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"


@register_format("saelens_crosscoder")
class SaeLensCrosscoder(CrosscoderFormat):
    """ReLU; W_enc (m, d, F), W_dec (F, m, d), b_dec (m, d), taken off the inputs if the config says so."""

    looks_for = f"{CONFIG} with hook_names and {WEIGHTS}"
    reads = (CONFIG, WEIGHTS)

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return folders_with(files, WEIGHTS, CONFIG)

    def accepts(self, files: SaeFiles) -> bool:
        return "hook_names" in files.config(CONFIG)

    def places(self, files: SaeFiles) -> int | None:
        return len(self.hook_names(files))

    def hook_names(self, files: SaeFiles) -> tuple[str | None, ...]:
        names = files.config(CONFIG).get("hook_names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise SaeError(f"{files.label}/{CONFIG}: hook_names is {names!r}, expected a list of hook names")
        return tuple(names)

    def describe(self, files: SaeFiles) -> SaeEntry:
        config = files.config(CONFIG)
        return self.entry(
            files,
            hook_name=self.hook_names(files)[0],
            d_in=config.get("d_in"),
            d_sae=config.get("d_sae"),
            architecture=ARCHITECTURE,
        )

    def crosscoder(self, files: SaeFiles) -> Crosscoder:
        config, path = modern_config(files.config(CONFIG)), files.path(WEIGHTS)
        _refuse_others(config, path)
        tensors, hooks = files.tensors(WEIGHTS), self.hook_names(files)
        W_enc = check_cube(take(tensors, "W_enc", path), "W_enc", path)
        W_dec = check_cube(take(tensors, "W_dec", path), "W_dec", path).transpose(0, 1)
        check_size(len(W_enc), len(hooks), "hook_names", path)
        b_enc, b_dec = take(tensors, "b_enc", path), take(tensors, "b_dec", path)
        if config.get("apply_b_dec_to_input", True):
            b_enc = b_enc - (b_dec[:, None, :] @ W_enc).sum(dim=(0, 1))
        return Crosscoder(
            readers=(Reader(tuple(range(len(W_enc))), W_enc),),
            W_dec=W_dec,
            b_enc=b_enc,
            b_dec=b_dec,
            rules=(ReLU(),),
            hook_names=hooks,
            path=path,
            metadata=config,
        )


def _refuse_others(config: dict[str, Any], path: object) -> None:
    if config["architecture"] != "standard":
        raise SaeError(f"{path}: a crosscoder of architecture {config['architecture']!r} isn't supported")
    if config["normalize_activations"] not in ("none", "expected_average_only_in"):
        scaling = config["normalize_activations"]
        raise SaeError(f"{path}: normalize_activations {scaling!r} of a crosscoder isn't supported")
