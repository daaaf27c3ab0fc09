"""`npz`: SAEs as files of NumPy arrays, `layer_<number>.sae.npz`."""

from collections.abc import Collection, Iterable

import numpy as np
import torch

from congruence.saes.entry import SaeEntry
from congruence.saes.formats import SaeFiles, SaeFormat, register_format
from congruence.saes.sae import Sae


@register_format("npz")
class Npz(SaeFormat):
    """ReLU SAEs on the residual stream: W_enc (d_in, d_sae), W_dec (d_sae, d_in), b_enc and b_dec."""

    looks_for = "layer_<number>.sae.npz with W_enc, W_dec, b_enc and b_dec"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [file for file in files if file.endswith(".sae.npz")]

    def describe(self, files: SaeFiles) -> SaeEntry:
        return self.entry(files, hook_name=f"resid_post.{files.layer_from_name()}", architecture="relu")

    def read(self, files: SaeFiles) -> Sae:
        with np.load(files.path()) as stored:
            weights = {name: torch.from_numpy(stored[name]) for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
        return Sae(
            **weights,
            architecture="relu",
            hook_name=f"resid_post.{files.layer_from_name()}",
            path=files.path(),
        )
