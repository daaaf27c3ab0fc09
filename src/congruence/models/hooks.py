"""Hook names to places in a module, and one forward pass that listens at all of them."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from congruence.errors import ModelError
from congruence.hook_names import KINDS, HookPoint, parse_hook_name
from congruence.models.blocks import Tap, block_taps, is_parallel

if TYPE_CHECKING:
    import torch
    from torch import nn


def resolve_hook(module: "nn.Module", blocks: "list[nn.Module]", name: str) -> tuple[Tap, ...]:
    """The places whose values add up to hook point `name`.

    A path of a module that is in the model means that module's output, wherever it lies; paths may start
    at the model or at its body without the head (`layers.3` as sparsify writes it). Every other name is
    read as a hook point of a known kind and found by structure.

    Raises:
        ModelError: no module has that path, the kind is unknown, or there is no such layer.
    """
    literal = _submodule(module, name)
    if literal is not None:
        return (Tap(literal),)
    return resolve_point(module, blocks, named_point(module, name))


def is_path(module: "nn.Module", name: str) -> bool:
    """Whether `name` is the path of a module, which is taken literally."""
    return _submodule(module, name) is not None


def named_point(module: "nn.Module", name: str) -> HookPoint:
    """The hook point a name that is no path stands for.

    Raises:
        ModelError: it stands for none.
    """
    point = parse_hook_name(name)
    if point is None:
        raise ModelError(
            f"hook point {name!r} isn't in {type(module).__name__}: write a module path or e.g. "
            f"'resid_post.3' (kinds: {', '.join(KINDS)})"
        )
    return point


def resolve_point(module: "nn.Module", blocks: "list[nn.Module]", point: HookPoint) -> tuple[Tap, ...]:
    """The places whose values add up to a hook point, found by structure.

    Raises:
        ModelError: the model has no such layer, or its block no such place.
    """
    if point.kind == "embed":
        return (Tap(module.get_input_embeddings()),)  # pyright: ignore[reportCallIssue]
    if not 0 <= point.layer < len(blocks):
        raise ModelError(
            f"hook point {str(point)!r} isn't in {type(module).__name__}: "
            f"it has layers 0 to {len(blocks) - 1}"
        )
    config = text_config(module)
    model_type = getattr(config, "model_type", "")
    return block_taps(blocks[point.layer], point.kind, model_type, is_parallel(config))


def _submodule(module: "nn.Module", path: str) -> "nn.Module | None":
    for root in (module, getattr(module, "base_model", None)):
        if root is not None and path:
            try:
                return root.get_submodule(path)
            except AttributeError:
                continue
    return None


def text_config(module: Any) -> Any:
    """The configuration of the text model, where a model reads images too."""
    return module.config.get_text_config()


class _AllCaptured(BaseException):
    """Ends a forward pass once every value is there: the blocks above and the head needn't run."""


def run_with_taps(
    module: "nn.Module",
    input_ids: "torch.Tensor",
    attention_mask: "torch.Tensor",
    taps: Mapping[str, tuple[Tap, ...]],
) -> "dict[str, torch.Tensor]":
    """The values at all hook points from one forward pass, which ends after the last of them.

    Args:
        input_ids, attention_mask: (batch, seq) on the device of the model's embeddings.
        taps: the places to listen at, by hook name; values of several places are added.

    Returns:
        (batch, seq, d) for each hook name, in the model's dtype, on the device where it was computed.
    """
    import torch

    wanted = {tap for group in taps.values() for tap in group}
    values: dict[Tap, torch.Tensor] = {}

    def keep(tap: Tap, value: object) -> None:
        if tap not in values:
            name = next(name for name, group in taps.items() if tap in group)
            values[tap] = _hidden(value, input_ids.shape, f"hook point {name!r} of {type(module).__name__}")
        if len(values) == len(wanted):
            raise _AllCaptured

    handles = [_register(tap, keep) for tap in wanted]
    try:
        with torch.no_grad():
            module(input_ids=input_ids, attention_mask=attention_mask, **forward_options(module))
    except _AllCaptured:
        pass
    finally:
        for handle in handles:
            handle.remove()
    silent = [name for name, group in taps.items() if any(tap not in values for tap in group)]
    if silent:
        raise ModelError(f"hook point {silent[0]!r} is never reached in a forward pass: name another")
    return {name: _added([_scaled(values[tap], tap.scale) for tap in group]) for name, group in taps.items()}


def _register(tap: Tap, keep):
    if tap.side == "output":
        return tap.module.register_forward_hook(lambda _module, _args, output: keep(tap, output))

    def listen(_module, args, kwargs):
        keep(tap, args[0] if args else kwargs.get("hidden_states", next(iter(kwargs.values()), None)))

    return tap.module.register_forward_pre_hook(listen, with_kwargs=True)


def forward_options(module: "nn.Module") -> dict[str, bool]:
    accepted = inspect.signature(module.forward).parameters
    handed_on = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    known = "use_cache" in accepted or (handed_on and hasattr(text_config(module), "use_cache"))
    return {"use_cache": False} if known else {}


def _hidden(value: object, shape: "torch.Size", where: str) -> "torch.Tensor":
    """The hidden states in what a module passes on, as (batch, seq, d), safe from later in-place changes."""
    tensor = value[0] if isinstance(value, (tuple, list)) and value else value
    batch, seq = shape
    rows = getattr(tensor, "shape", (0,))[:-1]
    if rows == (batch * seq,) or rows == (batch, seq):
        return tensor.reshape(batch, seq, -1).detach().clone()  # pyright: ignore[reportAttributeAccessIssue]
    found = tuple(tensor.shape) if hasattr(tensor, "shape") else type(tensor).__name__  # pyright: ignore
    raise ModelError(
        f"{where} passes on {found}, not one vector a token of ({batch}, {seq}, d): name another module"
    )


def _scaled(value: "torch.Tensor", factor: float) -> "torch.Tensor":
    return value if factor == 1.0 else value * factor


def _added(values: "list[torch.Tensor]") -> "torch.Tensor":
    total = values[0]
    for value in values[1:]:
        total = total + value.to(total.device)
    return total
