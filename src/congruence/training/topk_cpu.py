"""sae-lens' TopK SAE with a faster step on a CPU: dense only where all features compete.

A step of sae-lens makes six products of the size tokens × d_in × d_sae. All but the first are with
activations, or gradients of activations, of which k of d_sae are not 0: they are taken over those k here.
Loss and gradients are the same but for rounding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from sae_lens.saes.sae import TrainStepInput, TrainStepOutput
from sae_lens.saes.topk_sae import TopKTrainingSAE
from torch import Tensor

from congruence.saes.largest import k_largest
from congruence.threads import available_threads, in_runs
from congruence.training.kernels_topk import add_rows, by_feature, collect_rows, multiply_rows

FEW = 8
"""Features at least for each that fires: with fewer, dense products are as fast."""


class CpuTopK(TopKTrainingSAE):
    """A TopK SAE in training, on a CPU."""

    def training_forward_pass(self, step_input: TrainStepInput) -> TrainStepOutput:
        """Reconstruction and losses of a batch.

        `feature_acts` is sparse; `hidden_pre` holds the pre-activations that won, (n, k).
        """
        x = step_input.sae_in
        if not self._is_plain(x):
            return super().training_forward_pass(step_input)
        out, values, features = _Reconstruction.apply(
            x, self.W_enc, self.b_enc, self.W_dec, self.b_dec, self.cfg
        )  # type: ignore[misc]
        losses = {
            "mse_loss": self.mse_loss_fn(out, x).sum(dim=-1).mean(),
            "auxiliary_reconstruction_loss": self._dead_loss(step_input, out),
        }
        return TrainStepOutput(
            sae_in=x,
            sae_out=out,
            feature_acts=_sparse(values, features, self.cfg.d_sae),
            hidden_pre=values,
            loss=torch.stack(list(losses.values())).sum(),
            losses=losses,
        )

    def _is_plain(self, x: Tensor) -> bool:
        """Whether nothing is asked for that only sae-lens' own step does."""
        cfg = self.cfg
        return (
            x.device.type == "cpu"
            and x.ndim == 2
            and x.dtype == self.W_enc.dtype == torch.float32
            and FEW * cfg.k <= cfg.d_sae
            and cfg.reshape_activations == "none"
            and cfg.normalize_activations in ("none", "expected_average_only_in")
            and not cfg.use_sparse_activations
        )

    def _dead_loss(self, step_input: TrainStepInput, out: Tensor) -> Tensor:
        """How badly dead features make up for what others miss (Gao et al. 2024, appendix A.2)."""
        mask, x = step_input.dead_neuron_mask, step_input.sae_in
        dead = None if mask is None else torch.nonzero(mask)[:, 0]
        if dead is None or len(dead) == 0:
            return out.new_tensor(0.0)
        half = x.shape[-1] // 2
        z = x - self.b_dec if self.cfg.apply_b_dec_to_input else x
        rows, pre = self.W_dec[dead], z @ self.W_enc[:, dead] + self.b_enc[dead]
        if self.cfg.rescale_acts_by_decoder_norm:
            norm = rows.norm(dim=-1, keepdim=True)
            rows, pre = rows / norm, pre * norm.T
        best = pre.topk(min(half, len(dead)), dim=-1, sorted=False)
        acts = torch.zeros_like(pre).scatter(-1, best.indices, best.values)
        missed = (acts @ rows - (x - out).detach()).pow(2).sum(dim=-1).mean()
        return self.cfg.aux_loss_coefficient * min(len(dead) / half, 1.0) * missed


class _Reconstruction(torch.autograd.Function):
    """x̂ = relu(top k of (x - b_dec) @ W_enc + b_enc) @ W_dec + b_dec, by the entries that fire.

    With decoder norms n: features compete by n times their pre-activation, and write with rows W_dec / n.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *given: Any):
        W_enc, b_enc, W_dec, b_dec, cfg = given
        exact = not torch.is_autocast_enabled("cpu")
        with torch.autocast("cpu", enabled=False):
            z = (x - b_dec if cfg.apply_b_dec_to_input else x).contiguous()
            norm = W_dec.norm(dim=-1) if cfg.rescale_acts_by_decoder_norm else None
            rows = W_dec if norm is None else W_dec / norm[:, None]
            read, shift = (W_enc, b_enc) if norm is None else (W_enc * norm, b_enc * norm)
            values, features = _winners(z, read, shift, cfg.k, exact=exact)
            out = b_dec.repeat(len(x), 1)
        _over(len(x), add_rows, values, features, rows.numpy(), out.numpy())
        ctx.save_for_backward(z, W_enc, norm, rows)
        ctx.fired, ctx.centred = (values, features), cfg.apply_b_dec_to_input
        won = torch.from_numpy(values), torch.from_numpy(features)
        ctx.mark_non_differentiable(*won)
        return out, *won

    @staticmethod
    def backward(ctx: Any, *grads: Tensor):
        z, W_enc, norm, rows = ctx.saved_tensors
        values, features = ctx.fired
        given, width = grads[0].contiguous(), len(rows)
        of_values = np.empty_like(values)
        _over(len(z), multiply_rows, given.numpy(), features, rows.numpy(), of_values)
        of_values[values <= 0] = 0  # relu
        of_linear = of_values if norm is None else of_values * norm.numpy()[features]
        ends, entries = by_feature(features, width)

        def collected(weights: np.ndarray, source: Tensor) -> Tensor:
            out = np.empty((width, source.shape[1]), np.float32)
            _over(width, collect_rows, ends, entries, values.shape[1], weights, source.numpy(), out)
            return torch.from_numpy(out)

        def summed(weights: np.ndarray) -> Tensor:
            sums = np.bincount(features.ravel(), weights.ravel(), minlength=width)
            return torch.from_numpy(sums.astype(np.float32))

        of_b_enc, of_b_dec = summed(of_linear), given.sum(dim=0)
        if ctx.centred:
            of_b_dec -= W_enc @ of_b_enc
        of_W_dec = None
        if ctx.needs_input_grad[3]:
            of_W_dec = collected(values, given)
            if norm is not None:
                along = (of_W_dec * rows).sum(dim=-1) - summed(of_values * values)
                of_W_dec = (of_W_dec - along[:, None] * rows) / norm[:, None]
        return None, collected(of_linear, z).T.contiguous(), of_b_enc, of_W_dec, of_b_dec, None


def _winners(
    z: Tensor, read: Tensor, shift: Tensor, k: int, *, exact: bool
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """The k largest pre-activations of each token, negative ones as 0, and their features, rising.

    Unless `exact`, which ones win is decided in bfloat16; their values are float32 either way.
    """
    linear = z @ read if exact else (z.bfloat16() @ read.bfloat16()).float()
    values, features = k_largest(linear.numpy(), shift.numpy(), k, threads=_threads())
    if not exact:
        _over(len(z), multiply_rows, z.numpy(), features, read.T.contiguous().numpy(), values)
        values += shift.numpy()[features]
    return np.maximum(values, 0, out=values), features


def _sparse(values: Tensor, features: Tensor, width: int) -> Tensor:
    """(n, width) activations from (n, k), each row's features rising."""
    n, k = features.shape
    at = torch.stack([torch.arange(n).repeat_interleave(k), features.flatten()])
    return torch.sparse_coo_tensor(
        at, values.flatten(), (n, width), check_invariants=False, is_coalesced=True
    )


def _over(n: int, kernel: Callable[..., None], *given: Any) -> None:
    """A kernel over n tokens or features, on all threads; how many there are changes nothing."""
    in_runs(lambda lo, hi: kernel(lo, hi, *given), n, _threads())


def _threads() -> int:
    return min(available_threads(), torch.get_num_threads())
