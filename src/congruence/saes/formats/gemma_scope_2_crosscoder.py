"""Gemma Scope 2's crosscoders of four layers: `crosscoder/layer_7_13_17_22_…/params_layer_0.safetensors` …

They are weakly causal: the features of file i read place i alone, and write to it and to those after it, by
w_dec (F, 4, d). All files together are one crosscoder; what lies before a feature's own place isn't used.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

import torch

from congruence.errors import SaeError
from congruence.saes.activation_functions import JumpReLU
from congruence.saes.crosscoder import Crosscoder, Reader
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, header_shapes, register_format
from congruence.saes.formats.cross_layer import is_crosscoder, place_of
from congruence.saes.formats.crosscoders import ARCHITECTURE, CrosscoderFormat, check_cube
from congruence.saes.sources import LocalFolder
from congruence.saes.tensors import take

_FILE = "params_layer_{}.safetensors"
_LAYERS = re.compile(r"layer((?:_\d+){2,})(?:_|$)")


@register_format("gemma_scope_2_crosscoder")
class GemmaScope2Crosscoder(CrosscoderFormat):
    """JumpReLU; every file is listed, any of them stands for the whole."""

    looks_for = "params_layer_<n>.safetensors in a folder below `crosscoder`"
    whole_folder = True

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [file for file in files if re.fullmatch(_FILE.format(r"\d+"), PurePosixPath(file).name)]

    def accepts(self, files: SaeFiles) -> bool:
        return is_crosscoder(files)

    def parts(self, files: SaeFiles) -> list[str]:
        return [f"../{_FILE.format(place)}" for place in range(self._files(files))]

    def places(self, files: SaeFiles) -> int | None:
        return self._files(files)

    def hook_names(self, files: SaeFiles) -> tuple[str | None, ...]:
        found = _LAYERS.findall(files.label)
        layers = found[-1].strip("_").split("_") if found else []
        return tuple(f"blocks.{layer}.hook_resid_post" for layer in layers)

    def describe(self, files: SaeFiles) -> SaeEntry:
        place, hooks = place_of(files), self.hook_names(files)
        shapes = header_shapes(files.path()) if isinstance(files.source, LocalFolder) else {}
        d_in, d_sae = shapes.get("w_enc", (None, None))
        return self.entry(
            files,
            hook_name=hooks[place] if place < len(hooks) else None,
            d_in=d_in,
            d_sae=d_sae,
            architecture=ARCHITECTURE,
        )

    def crosscoder(self, files: SaeFiles) -> Crosscoder:
        readers, decoders, biases, thresholds, b_dec = [], [], [], [], []
        count, first = self._files(files), files.path(f"../{_FILE.format(0)}")
        for place in range(count):
            name = f"../{_FILE.format(place)}"
            tensors, path = files.tensors(name), files.path(name)
            W_dec = check_cube(take(tensors, "w_dec", path), "w_dec", path).transpose(0, 1).clone()
            if len(W_dec) != count:
                raise SaeError(f"{path}: w_dec writes to {len(W_dec)} layers, but {count} files lie there")
            W_dec[:place] = 0
            decoders.append(W_dec)
            readers.append(Reader((place,), check_cube(take(tensors, "w_enc", path)[None], "w_enc", path)))
            biases.append(take(tensors, "b_enc", path))
            thresholds.append(take(tensors, "threshold", path))
            b_dec.append(take(tensors, "b_dec", path))
        hooks = self.hook_names(files)
        return Crosscoder(
            readers=tuple(readers),
            W_dec=torch.cat(decoders, dim=1),
            b_enc=torch.cat(biases),
            b_dec=torch.stack(b_dec),
            rules=(JumpReLU(torch.cat(thresholds)),),
            hook_names=hooks if len(hooks) == count else (None,) * count,
            path=first.parent,
        )

    @staticmethod
    def _files(files: SaeFiles) -> int:
        count = 0
        while files.has(f"../{_FILE.format(count)}"):
            count += 1
        return count
