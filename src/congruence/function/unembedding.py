"""What a direction of the residual stream adds to the logits, the final norm's weight folded in."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from congruence.errors import ModelError
from congruence.models import LanguageModel
from congruence.models.edits import head_of

if TYPE_CHECKING:
    import torch
    from torch import nn


def unembedding(model: LanguageModel, ids: Int[np.ndarray, " v"]) -> Float[np.ndarray, "d v"]:
    """W_U of some tokens, float64, as directions of the residual stream see it.

    A norm before the head multiplies every dimension by its weight, and a LayerNorm takes the mean over
    dimensions off first; both are linear and folded in. Its division by the length of the state is the same
    for all tokens of a position, so that it matters to no correlation, and is left out.

    Args:
        model: the language model.
        ids: its tokens.

    Raises:
        ModelError: it has no language head, or what stands between the last block and the head isn't a norm.

    Source: folding of norms as TransformerLens has it (fold_ln, center_writing_weights).
    """
    import torch

    head = head_of(model)
    weight: Any = head.weight
    if not (getattr(weight, "ndim", 0) == 2 and weight.shape[1] == model.d_model):
        raise ModelError(
            f"the head of {model.name} doesn't read the residual stream itself: leave logit_weights out"
        )
    if len(ids) and int(ids.max()) >= weight.shape[0]:
        raise ModelError(f"token id {int(ids.max())} isn't in the head of {model.name}: wrong tokenizer?")
    rows = weight.detach()[torch.from_numpy(np.asarray(ids)).to(weight.device)].double().cpu().numpy()
    gain, centred = _gain(model, head)
    folded = gain[:, None] * rows.T
    return folded - folded.mean(axis=0) if centred else folded


def _gain(model: LanguageModel, head: "nn.Module") -> tuple[np.ndarray, bool]:
    """(d,) what the final norm multiplies by, and whether it takes the mean off."""
    norm = _before(model, head)
    if norm is None:
        return np.ones(model.d_model), False
    import torch

    parameter = next(norm.parameters(), None)
    dtype = torch.float32 if parameter is None else parameter.dtype
    device = model.device if parameter is None else parameter.device
    x = 100 * torch.randn(
        3, model.d_model, generator=torch.Generator().manual_seed(0)
    )  # beside which eps is nothing
    with torch.no_grad():
        given = norm(torch.cat([x, -x]).to(device, dtype)).double().cpu().numpy()
    odd = (given[:3] - given[3:]) / 2  # without the bias
    states = x.double().numpy()
    found = {}
    for centred in (False, True):
        inner = states - states.mean(axis=1, keepdims=True) if centred else states
        inner = inner / np.sqrt((inner**2).mean(axis=1, keepdims=True))
        gain = (odd * inner).sum(axis=0) / (inner**2).sum(axis=0)
        found[centred] = float(((odd - gain * inner) ** 2).sum() / max((odd**2).sum(), 1e-300)), gain
    centred = found[True][0] < found[False][0]
    left, gain = found[centred]
    if left > 1e-3:
        raise ModelError(
            f"{type(norm).__name__} before the head of {model.name} is neither a LayerNorm nor an RMSNorm: "
            "leave logit_weights out"
        )
    return gain, centred


def _before(model: LanguageModel, head: "nn.Module") -> "nn.Module | None":
    """The module whose output the head reads, up to a factor; None where it reads the last block's."""
    import torch

    inside = {id(module) for block in model.blocks for module in block.modules()}
    outputs: list[tuple[nn.Module, torch.Tensor]] = []
    read: list[torch.Tensor] = []

    def keep(module: "nn.Module", _args: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.shape[-1] == model.d_model:
            outputs.append((module, output.detach()))

    leaves = [m for m in model.module.modules() if id(m) not in inside and not list(m.children())]
    handles = [module.register_forward_hook(keep) for module in leaves if module is not head]
    last = model.blocks[-1].register_forward_hook(
        lambda block, _args, output: keep(block, None, output[0] if isinstance(output, tuple) else output)
    )
    handles += [last, head.register_forward_pre_hook(lambda _head, args: read.append(args[0].detach()))]
    try:
        with torch.no_grad():
            model.module(input_ids=torch.arange(4, device=model.device)[None])
    finally:
        for handle in handles:
            handle.remove()
    if not read:
        raise ModelError(f"the head of {model.name} isn't reached in a forward pass: leave logit_weights out")
    for module, output in reversed(outputs):
        if output.shape == read[0].shape and _proportional(output, read[0]):
            return None if module is model.blocks[-1] else module
    raise ModelError(
        f"something that isn't a norm stands before the head of {model.name}: leave logit_weights out"
    )


def _proportional(one: "torch.Tensor", other: "torch.Tensor") -> bool:
    x, y = one.flatten().double(), other.flatten().double().to(one.device)
    return float((x @ y) / (x.norm() * y.norm()).clamp_min(1e-300)) > 1 - 1e-6
