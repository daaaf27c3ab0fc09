"""`Crosscoder`: one dictionary that reads several places at once and writes to each by its own decoder rows.

A place is a layer of a model. Of a crosscoder of two models, feature i of one *is* feature i of the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from congruence.errors import SaeError
from congruence.hook_names import parse_hook_name
from congruence.saes.activation_functions import Activation, ReLU
from congruence.saes.encoding import Products, encode_tokens


@dataclass(frozen=True, eq=False)
class Reader:
    """Some of the features, and the places that they read.

    Attributes:
        places: numbers of the places.
        W_enc: (places, d, features).
    """

    places: tuple[int, ...]
    W_enc: Tensor


@dataclass(frozen=True, eq=False)
class Crosscoder:
    """Encoders, rule and decoders of a dictionary over m places.

    z_p = (x_p - mean_p) · scale_p; f = rule(Σ_p z_p @ W_enc_p, b_enc);
    x̂_p = (f @ W_dec_p + b_dec_p) / scale_p + mean_p.
    With a rule for each place, f is (n, m, d_sae): which features fire may differ.

    Attributes:
        readers: encoders; several where features read different places (weakly causal crosscoders).
        W_dec: (m, d_sae, d). b_enc: (d_sae,). b_dec: (m, d).
        rules: one rule, or one for each place.
        scale: (m,) what inputs are multiplied by; mean: (m, d) what is taken off them first.
        hook_names: where each place is, as the file names it; None where it doesn't.
        format: registered name of the file format; path: the file it came from; metadata: its own config.
    """

    readers: tuple[Reader, ...]
    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor
    rules: tuple[Activation, ...] = (ReLU(),)
    scale: Tensor | None = None
    mean: Tensor | None = None
    hook_names: tuple[str | None, ...] = ()
    format: str | None = None
    path: Path | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_places(self) -> int:
        return self.W_dec.shape[0]

    @property
    def d_sae(self) -> int:
        return self.W_dec.shape[1]

    @property
    def d_in(self) -> int:
        return self.W_dec.shape[2]

    @property
    def what(self) -> str:
        """What it is, in words."""
        return in_words(self.n_places, self.hook_names)

    @torch.no_grad()
    def encode(self, x: Float[Tensor, "n m d"]) -> Tensor:
        """(n, d_sae) activations of one rule, or (n, m, d_sae) of one for each place."""
        pre = self._linear(x)
        acts = [rule(pre, self.b_enc) for rule in self.rules]
        return acts[0] if len(acts) == 1 else torch.stack(acts, dim=1)

    @torch.no_grad()
    def encode_csr(self, x: Float[Tensor, "n m d"], *, place: int = 0) -> sparse.csr_array:
        """Activations as they are at one place, float32 CSR (n, d_sae), by :func:`encode_tokens`.

        Raises:
            SaeError: `x` doesn't fit.
        """
        rule = self.rules[place if len(self.rules) > 1 else 0]
        return encode_tokens(x, self._products, rule, self.b_enc)

    @torch.no_grad()
    def reconstruct(self, x: Float[Tensor, "n m d"]) -> Float[Tensor, "n m d"]:
        """Its output for an input, on the scale of the input."""
        out = self.decode(self.encode(x))
        if self.scale is not None:
            out = out / self.scale[:, None]
        return out if self.mean is None else out + self.mean

    @torch.no_grad()
    def decode(self, f: Tensor) -> Float[Tensor, "n m d"]:
        """Output of given activations, on the scale that it was trained on."""
        f = f if f.ndim == 3 else f[:, None, :].expand(-1, self.n_places, -1)
        return torch.einsum("nmf,mfd->nmd", f, self.W_dec) + self.b_dec

    def rows(self, place: int) -> np.ndarray:
        """(d_sae, d) float32 decoder rows of one place, on the scale that it was trained on."""
        return self.W_dec[place].float().cpu().numpy()

    def prepared(self, x: Tensor) -> Tensor:
        """(n, m, d) inputs on the scale that it was trained on.

        Raises:
            SaeError: they don't fit.
        """
        if x.ndim != 3 or tuple(x.shape[1:]) != (self.n_places, self.d_in):
            raise SaeError(
                f"input of shape {tuple(x.shape)} doesn't fit a crosscoder of {self.n_places} places with "
                f"d={self.d_in}: give (tokens, {self.n_places}, {self.d_in})"
            )
        x = x.to(device=self.W_dec.device, dtype=self.W_dec.dtype)
        x = x if self.mean is None else x - self.mean
        return x if self.scale is None else x * self.scale[:, None]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Crosscoder":
        """The same with its tensors moved and cast."""
        names = ("W_dec", "b_enc", "b_dec", "scale", "mean")
        moved = {n: t.to(device=device, dtype=dtype) for n in names if (t := getattr(self, n)) is not None}
        readers = tuple(replace(r, W_enc=r.W_enc.to(device=device, dtype=dtype)) for r in self.readers)
        return replace(self, readers=readers, rules=tuple(r.to(device, dtype) for r in self.rules), **moved)

    def _linear(self, x: Tensor) -> Tensor:
        """(n, d_sae): what the places read give each feature, before its bias."""
        return self._products(x)(slice(0, self.d_sae))

    def _products(self, x: Tensor) -> Products:
        """What gives :meth:`_linear` of some features."""
        z = self.prepared(x)

        def products(features: slice) -> Tensor:
            parts, start = [], 0
            for reader in self.readers:
                here = slice(*(max(0, at - start) for at in (features.start, features.stop)))
                W_enc = reader.W_enc[:, :, here]
                shares = [z[:, place] @ W for place, W in zip(reader.places, W_enc, strict=True)]
                parts.append(torch.stack(shares).sum(dim=0))
                start += reader.W_enc.shape[-1]
            return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

        return products

    def __repr__(self) -> str:
        return f"Crosscoder({self.what}, d_in={self.d_in}, d_sae={self.d_sae}, from {self.path})"


@dataclass(frozen=True, eq=False)
class AtPlace:
    """A crosscoder as an autoencoder of one of its places: fed by all of them, it gives that one back."""

    crosscoder: Crosscoder
    place: int

    @property
    def d_sae(self) -> int:
        return self.crosscoder.d_sae

    @torch.no_grad()
    def encode(self, x: Float[Tensor, "n m d"]) -> Float[Tensor, "n f"]:
        """Activations as they are at the place."""
        acts = self.crosscoder.encode(x)
        return acts if acts.ndim == 2 else acts[:, self.place]

    @torch.no_grad()
    def decode(self, f: Float[Tensor, "n f"]) -> Float[Tensor, "n d"]:
        """What activations give there, on the scale of the input."""
        c = self.crosscoder
        out = f.to(c.W_dec.dtype) @ c.W_dec[self.place] + c.b_dec[self.place]
        out = out if c.scale is None else out / c.scale[self.place]
        return out if c.mean is None else out + c.mean[self.place]


def in_words(n_places: int | None, hook_names: tuple[str | None, ...] = ()) -> str:
    """What a crosscoder is of: models where its file names one place or none, else layers.

    >>> in_words(2), in_words(3, ("blocks.1.hook_resid_post", "blocks.2.hook_resid_post", None))
    ('a crosscoder of 2 models', 'a crosscoder of 3 layers')
    """
    layers = {point.layer for name in hook_names if name and (point := parse_hook_name(name))}
    many = "several" if n_places is None else n_places
    return f"a crosscoder of {many} {'layers' if len(layers) > 1 else 'models'}"


def check_crosscoder(crosscoder: Crosscoder) -> Crosscoder:
    """The crosscoder itself, if its tensors fit together and are finite.

    Raises:
        SaeError: names the file, the tensor, and what is wrong with it.
    """
    m, f, d = crosscoder.W_dec.shape
    shapes = [("b_enc", crosscoder.b_enc, (f,)), ("b_dec", crosscoder.b_dec, (m, d))]
    for reader in crosscoder.readers:
        width = f if len(crosscoder.readers) == 1 else reader.W_enc.shape[-1]
        shapes.append(("W_enc", reader.W_enc, (len(reader.places), d, width)))
    shapes += [("scale", crosscoder.scale, (m,)), ("mean", crosscoder.mean, (m, d))]
    for rule in crosscoder.rules:
        for name in ("threshold", "weight"):
            tensor = getattr(rule, name, None)
            shapes.append((name, tensor, (f,) if tensor is not None and tensor.ndim else ()))
    for name, tensor, expected in [("W_dec", crosscoder.W_dec, (m, f, d)), *shapes]:
        if tensor is None:
            continue
        if tuple(tensor.shape) != expected or 0 in tensor.shape:
            raise SaeError(
                f"{crosscoder.path}: {name} has shape {tuple(tensor.shape)}, expected {expected} "
                f"(places={m}, d_in={d}, d_sae={f}): the file is broken or of another format"
            )
        never_fires = (tensor == torch.inf) if name == "threshold" else False
        if not tensor.is_floating_point() or not bool((torch.isfinite(tensor) | never_fires).all()):
            raise SaeError(f"{crosscoder.path}: {name} has values that aren't finite numbers: it is unusable")
    if sum(reader.W_enc.shape[-1] for reader in crosscoder.readers) != f:
        raise SaeError(f"{crosscoder.path}: encoder and decoder have different numbers of features")
    for rule in crosscoder.rules:
        if not 1 <= (k := getattr(rule, "k", 1)) <= f:
            raise SaeError(f"{crosscoder.path}: k={k} isn't between 1 and d_sae={f}: the config is broken")
    return crosscoder
