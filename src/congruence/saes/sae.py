"""`Sae`: one sparse autoencoder or transcoder, whatever trained it, in one orientation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from congruence.display import html_table
from congruence.errors import SaeError
from congruence.hook_names import HookPoint, parse_hook_name
from congruence.saes.activation_functions import Activation, ReLU
from congruence.saes.encoding import Products, encode_tokens
from congruence.saes.finite import all_finite
from congruence.saes.input_scaling import InputScaling, Unscaled


@dataclass(frozen=True, eq=False)
class Sae:
    """Encoder, activation rule and decoder of one dictionary of features.

    encode(x) = activation(scale(x) - b_dec?, W_enc, b_enc); decode(f) = unscale(f @ W_dec + b_dec).

    Attributes:
        W_enc: (d_in, d_sae). W_dec: (d_sae, d_out), d_out = d_in unless it is a transcoder.
        b_enc: (d_sae,). b_dec: (d_out,).
        activation: the rule, with its thresholds or k.
        architecture: relu, topk, abstopk, batchtopk, jumprelu, gated, matryoshka, groupmax, matching_pursuit,
            transcoder, skip_transcoder or cross_layer_transcoder; a transcoder's rule is `activation.name`.
        scaling: what is done to the input first.
        subtract_b_dec: whether b_dec is taken off the input before the encoder.
        rescale_by_decoder_norm: activations are multiplied by their decoder row's norm before the activation
            rule and divided by it in decoding.
        W_skip: (d_out, d_in) of a skip transcoder.
        hook_name: where its input is read, as the file names it; hook_name_out: what a transcoder predicts.
        format: registered name of the file format; path: the file it came from.
        metadata: the file's own config, and whatever a reader inferred.
    """

    W_enc: Tensor
    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor
    activation: Activation = field(default_factory=ReLU)
    architecture: str = "relu"
    scaling: InputScaling = field(default_factory=Unscaled)
    subtract_b_dec: bool = True
    rescale_by_decoder_norm: bool = False
    W_skip: Tensor | None = None
    hook_name: str | None = None
    hook_name_out: str | None = None
    format: str | None = None
    path: Path | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def d_in(self) -> int:
        return self.W_enc.shape[0]

    @property
    def d_sae(self) -> int:
        return self.W_enc.shape[1]

    @property
    def d_out(self) -> int:
        return self.W_dec.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        return self.W_enc.dtype

    @property
    def device(self) -> torch.device:
        return self.W_enc.device

    @property
    def threshold(self) -> Tensor | None:
        """(d_sae,) or scalar threshold of a JumpReLU, else None."""
        return getattr(self.activation, "threshold", None)

    @property
    def k(self) -> int | None:
        """Features that may fire on one token, of a TopK or GroupMax, else None."""
        return getattr(self.activation, "k", None)

    @property
    def is_transcoder(self) -> bool:
        """Whether its output predicts something else than its input."""
        return self.architecture.endswith("transcoder")

    @property
    def is_part(self) -> bool:
        """Whether others add to the same outputs, so that its own output predicts nothing by itself."""
        return self.architecture == "cross_layer_transcoder"

    @property
    def hook_point(self) -> HookPoint | None:
        """`hook_name` as (layer, kind), None where it is missing or a module path of its own."""
        return parse_hook_name(self.hook_name) if self.hook_name else None

    @property
    def layer(self) -> int | None:
        """Block index that `hook_name` names."""
        return self.hook_point.layer if self.hook_point else None

    @torch.no_grad()
    def encode(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*m f"]:
        """Feature activations of each token, dense; for many tokens see :meth:`encode_csr`.

        Raises:
            SaeError: `x` isn't a tensor, holds NaN or infinity, or doesn't fit d_in.
        """
        return self.activation(*self.linear(x))

    @torch.no_grad()
    def encode_csr(self, x: Float[Tensor, "*n d"], *, batch_size: int | None = None) -> sparse.csr_array:
        """Feature activations as float32 CSR (n, d_sae), never dense for more than some tokens or features.

        Memory and the order of work are those of :func:`congruence.saes.encoding.encode_tokens`.

        Args:
            x: (n, d_in), on any device; batches are moved to the SAE's.
            batch_size: tokens at a time, dense in all features; by default as many as make 64 MiB, and from
                16,384 features on blocks of features in their place.
        """
        rows = self.flat_heads(x).reshape(-1, self.d_in)
        return encode_tokens(rows, self._products, self.activation, self._biases, batch_size=batch_size)

    @torch.no_grad()
    def pre_activation(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*m f"]:
        """What the activation rule is applied to: dense, and signed."""
        return self.activation.pre_activation(*self.linear(x))

    @torch.no_grad()
    def decode(self, f: Float[Tensor, "*n f"], x: Tensor | None = None) -> Float[Tensor, "*m e"]:
        """Output for feature activations `f`, without a skip transcoder's skip path.

        Args:
            f: feature activations.
            x: the inputs they came from; needed where each token was scaled by its own norm.

        Raises:
            SaeError: `f` isn't a tensor, holds NaN or infinity, or doesn't fit d_sae; or `x` is needed and
                missing.
        """
        if self.scaling.per_token and x is None and not self.is_transcoder:
            raise SaeError(
                f"this SAE scales each token by its own statistics ({self.scaling.name}): "
                "give them back by sae.decode(f, x), or call sae.reconstruct(x)"
            )
        out = self._weighted(f) @ self.W_dec + self.b_dec
        if self.is_transcoder:
            return out
        out = self.scaling.undo(out, None if x is None else self._prepared(x))
        return out if x is None or x.shape[-1] == self.d_in else out.reshape(x.shape)

    @torch.no_grad()
    def decode_csr(
        self, acts: sparse.csr_array, x: Float[Tensor, "n d"] | None = None
    ) -> Float[Tensor, "n e"]:
        """The same for sparse activations, as :meth:`encode_csr` gives them, without making them dense.

        Args:
            acts: (n, d_sae).
            x: as for :meth:`decode`.

        Raises:
            SaeError: as :meth:`decode`.
        """
        some = self.decode(
            torch.zeros(1, self.d_sae), None if x is None else x[:1]
        )  # what fits, fits for all
        rows = (
            self.W_dec / self.W_dec.norm(dim=-1, keepdim=True) if self.rescale_by_decoder_norm else self.W_dec
        )
        out = torch.from_numpy(acts @ rows.float().cpu().numpy()).to(some.device, some.dtype) + self.b_dec
        if self.is_transcoder:
            return out
        return self.scaling.undo(out, None if x is None else self._prepared(x))

    @torch.no_grad()
    def reconstruct(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*m e"]:
        """The SAE's output for an input: decode(encode(x)), and the skip path where there is one."""
        out = self.decode(self.encode(x), x)
        return out if self.W_skip is None else out + self._prepared(x) @ self.W_skip.T

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Sae":
        """The same SAE with its tensors moved and cast."""
        names = ("W_enc", "W_dec", "b_enc", "b_dec", "W_skip")
        moved = {n: t.to(device=device, dtype=dtype) for n in names if (t := getattr(self, n)) is not None}
        return replace(self, activation=self.activation.to(device, dtype), **moved)

    def linear(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(input @ W_enc, b_enc), both times the decoder norms where the SAE was trained so.

        Of a rule that reads the input itself: (input, b_enc).
        """
        return self._products(x)(slice(0, self.d_sae)), self._biases

    @property
    def _biases(self) -> Tensor:
        """b_enc, times the decoder norms where :meth:`linear` has its products so."""
        scaled = self.rescale_by_decoder_norm and not self.activation.reads_input
        return self.b_enc * self.W_dec.norm(dim=-1) if scaled else self.b_enc

    def _products(self, x: Tensor) -> Products:
        """What gives :meth:`linear` of some features."""
        value = self.scaling(self._prepared(x))
        value = value - self.b_dec if self.subtract_b_dec else value
        if self.activation.reads_input:
            return lambda features: value

        def products(features: slice) -> Tensor:
            linear = value @ self.W_enc[:, features]
            return linear * self.W_dec[features].norm(dim=-1) if self.rescale_by_decoder_norm else linear

        return products

    def _weighted(self, f: Tensor) -> Tensor:
        fits = isinstance(f, Tensor) and f.layout == torch.strided and not f.is_complex()
        if not fits or f.ndim == 0 or f.shape[-1] != self.d_sae:
            what = f"shape {tuple(f.shape)}" if isinstance(f, Tensor) else type(f).__name__
            raise SaeError(
                f"feature activations of {what} can't be decoded: give a dense, real (…, {self.d_sae}) tensor"
            )
        f = f.to(device=self.device, dtype=self.dtype)
        if not all_finite(f):
            raise SaeError("feature activations hold NaN or infinity: leave those tokens out")
        return f / self.W_dec.norm(dim=-1) if self.rescale_by_decoder_norm else f

    def _prepared(self, x: Tensor) -> Tensor:
        """The input on our device in our dtype, heads flattened, finite."""
        prepared = self.flat_heads(x).to(device=self.device, dtype=self.dtype)
        if not all_finite(prepared):
            rows = int((~torch.isfinite(prepared.reshape(-1, self.d_in)).all(dim=1)).sum())
            raise SaeError(
                f"the input has NaN or infinite values in {rows} rows (as {self.dtype}): pass finite ones"
            )
        return prepared

    def flat_heads(self, x: Tensor) -> Tensor:
        """The input with d_in last: (…, heads, d_head) of an SAE on attention heads is flattened.

        Raises:
            SaeError: it isn't a tensor of numbers, or doesn't fit d_in.
        """
        if not isinstance(x, Tensor) or x.is_complex() or x.layout != torch.strided:
            kind = f"{x.layout} {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise SaeError(f"the input is a {kind}: pass a dense torch tensor of shape (n, {self.d_in})")
        if x.ndim > 2 and x.shape[-1] != self.d_in and x.shape[-1] * x.shape[-2] == self.d_in:
            x = x.flatten(-2)
        if x.ndim == 0 or x.shape[-1] != self.d_in:
            raise SaeError(
                f"input of shape {tuple(x.shape)} doesn't fit an SAE with d_in={self.d_in}: "
                "is it an SAE of this model and hook?"
            )
        return x

    def __repr__(self) -> str:
        at = f" at {self.hook_name}" if self.hook_name else ""
        return f"Sae({self.architecture}, d_in={self.d_in}, d_sae={self.d_sae}{at}, from {self.path})"

    def _repr_html_(self) -> str:
        """What it is and where it reads, for a notebook."""
        rows = [
            ("architecture", self.architecture), ("activation rule", type(self.activation).__name__),
            ("d_in, d_sae, d_out", f"{self.d_in:,}, {self.d_sae:,}, {self.d_out:,}"),
            ("hook", self.hook_name),
            ("predicts", self.hook_name_out), ("format", self.format), ("from", self.path),
            ("held as", f"{self.dtype} on {self.device}"),
        ]  # fmt: skip
        return html_table("Sae", [row for row in rows if row[1] is not None])
