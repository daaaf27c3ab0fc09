"""Where a model's blocks, attention and MLP are, found from the modules themselves."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from congruence.errors import ModelError
from congruence.hook_names import HookPoint

if TYPE_CHECKING:
    from torch import nn

_ATTENTION_NAMES = (
    "attn", "self_attn", "attention", "self_attention", "mixer", "temporal_block", "norm_attn_norm.attn",
)  # fmt: skip
_MLP_NAMES = ("mlp", "ffn", "feed_forward", "block_sparse_moe", "mlp_block")
_MLP_CLASSES = ("MLP", "FFN", "FeedForward", "MoE", "MoeBlock", "Mlp")

_INCLUDES_RESIDUAL = {
    "bloom": ("self_attention.dense", "mlp.dense_4h_to_h"),
    "mpt": ("attn", "ffn.down_proj"),
}
"""Model types where a module adds the residual itself -> the attention and MLP outputs before that."""

_PARALLEL = ("phi", "gptj", "cohere", "cohere2", "falcon", "codegen")
"""Model types whose MLP reads the block's input, so that no residual lies between attention and MLP."""

_NOT_BLOCKS = ("Attention", "Norm", *_MLP_CLASSES)
_OUTPUT_PROJECTIONS = ("o_proj", "out_proj", "c_proj", "dense", "out_lin", "linear_out", "wo")
_FACTORS = ("residual_multiplier", "residual_scale")
"""Attributes of a block that multiply what a sublayer gives before it is added (Granite, MiniCPM 3)."""

_MLP_NORMS = ("post_feedforward_layernorm", "pre_feedforward_layernorm", "pre_mlp_layernorm")
"""Norms beside which `post_attention_layernorm` follows attention; elsewhere it precedes the MLP."""


@dataclass(frozen=True)
class Tap:
    """One place to listen: what goes into a module, or what comes out of it, times the block's factor."""

    module: "nn.Module"
    side: Literal["input", "output"] = "output"
    scale: float = 1.0


def find_blocks(module: "nn.Module", n_layers: int | None = None) -> "list[nn.Module]":
    """The transformer blocks of a language model, in order.

    They are the outermost list of modules as long as the configuration's number of layers; where no list
    has that length, the longest outermost one. A list of attentions, MLPs or norms isn't one of blocks.

    Raises:
        ModelError: the model holds no list of blocks.
    """
    from torch import nn

    lists = {
        name: child
        for name, child in module.named_modules()
        if isinstance(child, nn.ModuleList) and len(child) and not _in_vision_tower(name)
    }
    outermost = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    if not outermost:
        raise ModelError(f"{type(module).__name__} has no list of blocks: choose a model that has one")
    whole = [name for name in outermost if not type(lists[name][0]).__name__.endswith(_NOT_BLOCKS)]
    right_length = [name for name in whole if len(lists[name]) == n_layers]
    if not right_length and any(len(lists[name]) == n_layers for name in outermost):
        raise ModelError(
            f"{type(module).__name__} has no list of blocks, but lists of their parts "
            f"({', '.join(name.rpartition('.')[2] for name in outermost)}): choose a model of another family"
        )
    chosen = max(right_length or outermost, key=lambda name: len(lists[name]))
    return list(lists[chosen])


def block_taps(block: "nn.Module", kind: str, model_type: str, parallel: bool) -> tuple[Tap, ...]:
    """The places in one block whose values add up to what `kind` names.

    Raises:
        ModelError: this block has no such place.
    """
    if kind in ("resid_pre", "resid_post"):
        return (Tap(block, "input" if kind == "resid_pre" else "output"),)
    if kind == "resid_mid":
        if parallel:
            raise ModelError(f"{model_type} blocks run attention and MLP in parallel: there is no resid_mid")
        return (Tap(block, "input"), *block_taps(block, "attn_out", model_type, parallel))
    part, _, place = kind.partition("_")
    finder = {"attn": _attention_tap, "mlp": _mlp_tap}.get(part)
    if finder is None:
        raise ModelError(f"hook kind {kind!r} isn't inside a block")
    return (finder(block, place, model_type),)


def is_parallel(config: object) -> bool:
    """Whether attention and MLP of a block both read the block's input."""
    declared = getattr(config, "use_parallel_residual", None)
    if declared is None:
        declared = getattr(config, "parallel_attn", None)
    return bool(declared) if declared is not None else getattr(config, "model_type", "") in _PARALLEL


def _in_vision_tower(name: str) -> bool:
    return any(part.startswith(("vision", "visual", "audio")) for part in name.split("."))


def _attention_tap(block: "nn.Module", place: str, model_type: str) -> Tap:
    attention = _child(block, _ATTENTION_NAMES, ("Attention",))
    if attention is None or type(attention).__name__.endswith(_MLP_CLASSES):
        raise ModelError(f"{type(block).__name__} has no attention found by structure: give its module path")
    if place == "in":
        return Tap(attention, "input")
    if place == "z":
        return Tap(_output_projection(attention), "input")
    return _added_by(
        block, attention, _INCLUDES_RESIDUAL.get(model_type, ("", ""))[0], _attention_norms(block)
    )


def _attention_norms(block: "nn.Module") -> list[str]:
    if _bert_like(block):
        return ["attention.output.dense"]
    names = ["post_self_attn_layernorm", "post_norm1"]
    return [*names, "post_attention_layernorm"] if any(_has(block, name) for name in _MLP_NORMS) else names


def _mlp_tap(block: "nn.Module", place: str, model_type: str) -> Tap:
    first, last = _mlp_ends(block)
    if place == "in":
        return Tap(first, "input")
    if place == "hidden":
        if any("expert" in name for name, _ in last.named_modules()):
            raise ModelError(f"{type(block).__name__} has experts and no one MLP: give a module path")
        return Tap(_output_projection(last), "input")
    after = ["post_feedforward_layernorm", "post_mlp_layernorm", "post_norm2"]
    return _added_by(block, last, _INCLUDES_RESIDUAL.get(model_type, ("", ""))[1], after)


def _added_by(block: "nn.Module", sublayer: "nn.Module", instead: str, after: list[str]) -> Tap:
    """What reaches the residual stream: a sublayer's output, its norm's if one follows, times the factor."""
    if instead:
        return Tap(block.get_submodule(instead))
    last = next((block.get_submodule(name) for name in after if _has(block, name)), sublayer)
    numbers = (getattr(block, name, None) for name in _FACTORS)
    return Tap(last, scale=next((float(n) for n in numbers if isinstance(n, (int, float))), 1.0))


def _mlp_ends(block: "nn.Module") -> "tuple[nn.Module, nn.Module]":
    """The module that reads the MLP's input and the one that gives its output; often the same."""
    if _bert_like(block):
        return block.get_submodule("intermediate"), block.get_submodule("output.dense")
    mlp = _child(block, _MLP_NAMES, _MLP_CLASSES)
    if mlp is not None:
        return mlp, mlp
    linear = [child for child in block.children() if _is_linear(child)]
    if len(linear) < 2:
        raise ModelError(f"{type(block).__name__} has no MLP found by structure: give its module path")
    return linear[-2], linear[-1]


def _bert_like(block: "nn.Module") -> bool:
    return _has(block, "attention.output.dense") and _has(block, "output.dense")


def _has(block: "nn.Module", path: str) -> bool:
    try:
        block.get_submodule(path)
    except AttributeError:
        return False
    return True


def _child(block: "nn.Module", names: tuple[str, ...], classes: tuple[str, ...]) -> "nn.Module | None":
    by_name = (block.get_submodule(name) for name in names if _has(block, name))
    by_class = (child for child in block.children() if type(child).__name__.endswith(classes))
    return next(by_name, next(by_class, None))


def _is_linear(module: "nn.Module") -> bool:
    """A weight matrix of its own: Linear, GPT-2's Conv1D, or a quantised one."""
    weight = getattr(module, "weight", None)
    return getattr(weight, "ndim", 0) == 2 and not list(module.children())


def _output_projection(module: "nn.Module") -> "nn.Module":
    """The linear layer whose output is the module's: one with such a name, else the last."""
    found = [(name, child) for name, child in module.named_modules() if _is_linear(child)]
    if not found:
        raise ModelError(f"{type(module).__name__} holds no linear layer: give a module path")
    named = [child for name, child in found if name.rpartition(".")[2] in _OUTPUT_PROJECTIONS]
    return (named or [found[-1][1]])[-1]


def shifted(point: HookPoint, offset: int) -> HookPoint:
    """The same kind of place `offset` blocks further on.

    What block -1 gives out is what block 0 takes in, so that the published variant (`offset=-1`: the SAE of
    block i reads `hidden_states[i]`) exists at layer 0 too.
    """
    if point.kind == "resid_post" and point.layer + offset == -1:
        return HookPoint(0, "resid_pre")
    return HookPoint(point.layer + offset, point.kind)
