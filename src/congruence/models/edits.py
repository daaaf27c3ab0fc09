"""Next-token logits of a model with what flows at one hook point changed on the way."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from congruence.errors import ModelError
from congruence.models.blocks import Tap
from congruence.models.hooks import forward_options
from congruence.models.language_model import LanguageModel

if TYPE_CHECKING:
    import torch
    from torch import nn

Edit = Callable[["torch.Tensor"], "torch.Tensor"]
"""(batch, seq, d) values at a hook point -> what they are to be."""


def logits_at(
    model: LanguageModel,
    input_ids: "torch.Tensor",
    attention_mask: "torch.Tensor",
    rows: "torch.Tensor",
    columns: "torch.Tensor",
    *,
    hook_name: str = "",
    edit: Edit | None = None,
) -> "torch.Tensor":
    """Logits of what follows some positions, from one forward pass.

    Args:
        model: with a language head.
        input_ids, attention_mask: (batch, seq).
        rows, columns: (n,) the positions; the head runs on them alone.
        hook_name: where values are changed. Where several places add up to it, the last one is changed so
            that their sum is what `edit` gives.
        edit: changes them; None for the model as it is.

    Returns:
        (n, vocabulary) float32.

    Raises:
        ModelError: the model has no head, or the hook point isn't in it or passes on something else.
    """
    import torch

    head = head_of(model)
    ids = input_ids.to(model.device, torch.long)
    taps = model.taps(hook_name) if edit is not None else ()
    handles = [head.register_forward_pre_hook(lambda _head, args: _picked(args, rows, columns))]
    if edit is not None:
        handles += _edits(taps, edit, tuple(ids.shape), hook_name)
    try:
        with torch.no_grad():
            mask = attention_mask.to(model.device, torch.long)
            given = model.module(input_ids=ids, attention_mask=mask, **forward_options(model.module))
    finally:
        for handle in handles:
            handle.remove()
    return given.logits[0].float()


def head_of(model: LanguageModel) -> "nn.Module":
    """The module that turns the last hidden state into logits.

    Raises:
        ModelError: the model has none.
    """
    head = getattr(model.module, "get_output_embeddings", lambda: None)()
    if head is None:
        raise ModelError(
            f"{model.name} has no language head, so it predicts no tokens: leave function: stitching, "
            "logit_weights and substitution out, or name a model with a head"
        )
    return head


def _picked(args: tuple[Any, ...], rows: "torch.Tensor", columns: "torch.Tensor") -> tuple[Any, ...]:
    hidden = args[0]
    return (hidden[rows.to(hidden.device), columns.to(hidden.device)][None], *args[1:])


def _edits(taps: tuple[Tap, ...], edit: Edit, shape: tuple[int, ...], hook_name: str) -> list[Any]:
    """Hooks that change the value at the place which is reached last."""
    seen: dict[Tap, torch.Tensor] = {}

    def change(tap: Tap, value: Any) -> Any:
        if not hasattr(value, "reshape") or value.shape[:-1].numel() != shape[0] * shape[1]:
            raise ModelError(f"hook point {hook_name!r} passes on no vector a token: name another hook")
        if tap in seen:
            return value
        seen[tap] = value.reshape(*shape, -1)
        if len(seen) < len(taps):
            return value
        whole = sum(one.to(value.device) * each.scale for each, one in seen.items())
        new = edit(whole).to(value.device)  # pyright: ignore[reportArgumentType]
        alone = len(taps) == 1 and tap.scale == 1
        changed = new if alone else seen[tap] + (new - whole) / tap.scale
        return changed.to(value.dtype).reshape(value.shape)

    return [_register(tap, change) for tap in taps]


def _register(tap: Tap, change: Callable[[Tap, Any], Any]) -> Any:
    if tap.side == "output":

        def after(_module: Any, _args: Any, output: Any) -> Any:
            if isinstance(output, (tuple, list)):
                return type(output)((change(tap, output[0]), *output[1:]))
            return change(tap, output)

        return tap.module.register_forward_hook(after)

    def before(_module: Any, args: Any, kwargs: Any) -> Any:
        if args:
            return (change(tap, args[0]), *args[1:]), kwargs
        name = "hidden_states" if "hidden_states" in kwargs else next(iter(kwargs))
        return args, {**kwargs, name: change(tap, kwargs[name])}

    return tap.module.register_forward_pre_hook(before, with_kwargs=True)
