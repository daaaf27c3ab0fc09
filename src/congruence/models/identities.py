"""Whether a sublayer's hook is what the block really adds: shown on a few tokens, not taken on trust.

In a block `resid_pre + attn_out + mlp_out = resid_post`. Where the sum is normalized (BERT, BART), a norm
takes in `resid_pre + attn_out`, another what that one gives plus `mlp_out`, and gives `resid_post`. A family
whose block scales, gates or adds anything else has no such parts, and its hooks are refused.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import ModelError
from congruence.hook_names import HookPoint
from congruence.models.blocks import Tap
from congruence.models.hooks import resolve_point, run_with_taps

if TYPE_CHECKING:
    import torch
    from torch import nn

SUMMANDS = ("attn_out", "mlp_out", "resid_mid")
PROJECTED = ("attn_z", "mlp_hidden")
_STREAM = ("resid_pre", "attn_out", "mlp_out", "resid_post")
_TOKENS = 8
_ATTEMPTS = 4
_ROUNDINGS = 4
"""How many times the worst rounding of a sum in the model's dtype still counts as equal."""
_OUTLIERS = 0.001


@dataclass(frozen=True)
class _Flow:
    """What passed through one block: values at taps, and what went into and came out of its modules.

    Attributes:
        values: (tokens, d) by kind of hook point.
        passed: (input, output) of each module in the block that takes one vector a token, (tokens, d).
        unit: rounding unit of the model's dtype.
    """

    values: dict[str, "torch.Tensor"]
    passed: "list[tuple[torch.Tensor, torch.Tensor]]"
    unit: float

    @property
    def finite(self) -> bool:
        return all(bool(value.isfinite().all()) for value in self.values.values())

    def equal(self, terms: "Sequence[torch.Tensor]", total: "torch.Tensor") -> bool:
        """Whether `total` is the sum of `terms`, up to rounding in the model's dtype."""
        if any(term.shape != total.shape for term in terms):
            return False
        size = sum((2 * term.abs() for term in terms), total.abs())
        off = (sum(terms[1:], terms[0]) - total).abs() > _ROUNDINGS * self.unit * size
        return bool(off.double().mean() <= _OUTLIERS)


def require_identity(
    module: "nn.Module", blocks: "list[nn.Module]", point: HookPoint, model_name: str
) -> None:
    """Refuse a hook point that isn't what its kind says, on a few tokens of the model's vocabulary.

    `attn_out` and `mlp_out` must add up to the block's update, `resid_mid` must be handed on inside the
    block, and `attn_z` and `mlp_hidden` must be what the sublayer's output is projected from.

    Args:
        module: the model.
        blocks: its blocks.
        point: any hook point; those of other kinds pass.
        model_name: for the message.

    Raises:
        ModelError: names the model, the hook point and what to ask for instead.
    """
    if point.kind in SUMMANDS:
        flow = _observed(module, blocks, point.layer, _parts(module, blocks, point.layer))
        if not _sound(flow, point.kind):
            instead = _path(module, resolve_point(module, blocks, point)[-1])
            raise ModelError(
                f"{model_name} has no {point}: resid_pre + attn_out + mlp_out misses resid_post by "
                f"{_missed(flow):.2g} times its block's update; ask for resid_post.{point.layer}, or for a "
                f"module's own output by its path, e.g. {instead!r}"
            )
    elif point.kind in PROJECTED:
        _require_projection(module, blocks, point, model_name)


def _parts(module: "nn.Module", blocks: "list[nn.Module]", layer: int) -> dict[str, tuple[Tap, ...]]:
    """Taps of the residual stream and of the sublayers that were found in a block."""
    found = {}
    for kind in _STREAM:
        with contextlib.suppress(ModelError):
            found[f"{kind}.{layer}"] = resolve_point(module, blocks, HookPoint(layer, kind))
    return found


def _observed(
    module: "nn.Module", blocks: "list[nn.Module]", layer: int, taps: dict[str, tuple[Tap, ...]]
) -> _Flow:
    """A few tokens through the model; others where they give numbers that aren't finite.

    They are of the lower half of the vocabulary, as the last ids may stand for images.
    """
    import torch

    vocabulary: Any = module.get_input_embeddings()  # pyright: ignore[reportCallIssue]
    size, device = vocabulary.weight.shape[0], vocabulary.weight.device
    flows = (
        _one_flow(
            module,
            blocks[layer],
            torch.from_numpy(np.linspace(first, size // 2, _TOKENS).astype(np.int64) % size)[None].to(device),
            taps,
        )
        for first in range(1, 1 + _ATTEMPTS)
    )
    return next((flow for flow in flows if flow.finite), None) or _refuse_numbers(module)


def _one_flow(
    module: "nn.Module", block: "nn.Module", ids: "torch.Tensor", taps: dict[str, tuple[Tap, ...]]
) -> _Flow:
    import torch

    passed: list[tuple[torch.Tensor, torch.Tensor]] = []
    with _listening(block, passed):
        found = run_with_taps(module, ids, torch.ones_like(ids), taps)
    unit = max(torch.finfo(value.dtype).eps / 2 for value in found.values())
    return _Flow({name.partition(".")[0]: _flat(value) for name, value in found.items()}, passed, unit)


def _refuse_numbers(module: "nn.Module") -> _Flow:
    raise ModelError(
        f"{type(module).__name__} gives numbers that aren't finite on {_ATTEMPTS} samples of its vocabulary: "
        "load it in float32 or bfloat16"
    )


@contextlib.contextmanager
def _listening(block: "nn.Module", passed: "list[tuple[torch.Tensor, torch.Tensor]]") -> Iterator[None]:
    """Collect what goes into and out of every module in a block, as long as it is one vector a token."""
    import torch

    def keep(_module, args, kwargs, output):
        entered = args[0] if args else kwargs.get("hidden_states")
        left = output[0] if isinstance(output, (tuple, list)) and output else output
        if not (isinstance(entered, torch.Tensor) and isinstance(left, torch.Tensor)):
            return
        if entered.is_floating_point() and entered.numel() == left.numel() and entered.ndim > 1:
            passed.append((_flat(entered), _flat(left)))

    handles = [
        child.register_forward_hook(keep, with_kwargs=True) for child in block.modules() if child is not block
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _flat(value: "torch.Tensor") -> "torch.Tensor":
    return value.detach().reshape(-1, value.shape[-1]).double().cpu()


def _sound(flow: _Flow, kind: str) -> bool:
    """Whether the parts add up, and `resid_mid` lies between them."""
    before, after = flow.values["resid_pre"], flow.values["resid_post"]
    attention, mlp = flow.values.get("attn_out"), flow.values.get("mlp_out")
    parts = [part for part in (attention, mlp) if part is not None]
    adds_up = flow.equal([before, *parts], after) or _normalized_sums(flow, before, attention, mlp, after)
    if kind == "resid_mid":
        entered = attention is not None and any(flow.equal([before, attention], x) for x, _ in flow.passed)
        return adds_up and entered
    if attention is None and mlp is not None:  # another kind of mixer stands in attention's place
        return adds_up or any(flow.equal([x, mlp], after) for x, _ in flow.passed)
    return adds_up


def _normalized_sums(flow: _Flow, before: Any, attention: Any, mlp: Any, after: Any) -> bool:
    if attention is None or mlp is None:
        return False
    middle = [out for entered, out in flow.passed if flow.equal([before, attention], entered)]
    ends = [entered for entered, out in flow.passed if flow.equal([out], after)]
    return any(flow.equal([out, mlp], entered) for out in middle for entered in ends)


def _missed(flow: _Flow) -> float:
    """What the parts lack of the update, relative to it."""
    before, after = flow.values["resid_pre"], flow.values["resid_post"]
    parts = [part for kind in SUMMANDS if (part := flow.values.get(kind)) is not None]
    if any(part.shape != after.shape for part in (*parts, before)):
        return float("inf")
    return float((sum(parts, before) - after).norm() / (after - before).norm())


def _require_projection(
    module: "nn.Module", blocks: "list[nn.Module]", point: HookPoint, model_name: str
) -> None:
    """The layer that reads the hook point must give the sublayer's own output."""
    (tap,) = resolve_point(module, blocks, point)
    (whole,) = resolve_point(module, blocks, HookPoint(point.layer, point.kind.partition("_")[0] + "_in"))
    (added,) = resolve_point(module, blocks, HookPoint(point.layer, point.kind.partition("_")[0] + "_out"))
    outputs = {"projected": (Tap(tap.module),), "whole": (Tap(whole.module),), "added": (Tap(added.module),)}
    block_ends = {f"resid_post.{point.layer}": resolve_point(module, blocks, HookPoint(point.layer))}
    flow = _observed(module, blocks, point.layer, outputs | block_ends)
    projected, others = flow.values["projected"], (flow.values["whole"], flow.values["added"])
    if not any(flow.equal([projected], other) for other in others):
        raise ModelError(
            f"{model_name} has no {point}: {_path(module, tap)!r} isn't the last step of its sublayer; "
            "write the path of the module whose output you mean"
        )


def _path(module: "nn.Module", tap: Tap) -> str:
    return next((name for name, child in module.named_modules() if child is tap.module), "")
