"""Names of hook points in the dialects that SAE files and users write, read as (layer, kind).

Three dialects stand side by side: TransformerLens (`blocks.3.hook_resid_post`), module paths as sparsify and
Hugging Face write them (`layers.3`, `model.layers.3.mlp`), and ours (`resid_post.3`). A module path names the
*output* of that module, so `layers.3` is what block 3 adds to the residual stream and hands on.
"""

import difflib
import re
from dataclasses import dataclass

from congruence.errors import InputError

KINDS: dict[str, tuple[str, str]] = {
    "resid_pre": ("blocks.{}.hook_resid_pre", "layers.{}.input"),
    "resid_mid": ("blocks.{}.hook_resid_mid", "layers.{}.resid_mid"),
    "resid_post": ("blocks.{}.hook_resid_post", "layers.{}"),
    "mlp_in": ("blocks.{}.mlp.hook_in", "layers.{}.mlp.input"),
    "mlp_hidden": ("blocks.{}.mlp.hook_post", "layers.{}.mlp.hidden"),
    "mlp_out": ("blocks.{}.hook_mlp_out", "layers.{}.mlp"),
    "attn_in": ("blocks.{}.hook_attn_in", "layers.{}.attention.input"),
    "attn_z": ("blocks.{}.attn.hook_z", "layers.{}.attention.z"),
    "attn_out": ("blocks.{}.hook_attn_out", "layers.{}.attention"),
    "embed": ("hook_embed", "embed_tokens"),
}
"""Kind -> its name in the TransformerLens and the module dialect, `{}` standing for the layer."""

_OTHER_SUFFIXES = {
    "output": "resid_post",
    "hook_mlp_in": "resid_mid",
    "ln1.hook_normalized": "attn_in",
    "ln2.hook_normalized": "mlp_in",
    "mlp.hook_out": "mlp_out",
    "mlp.output": "mlp_out",
    "feed_forward": "mlp_out",
    "block_sparse_moe": "mlp_out",
    "pre_feedforward_layernorm.output": "mlp_in",
    "post_feedforward_layernorm.output": "mlp_out",
    "attn.hook_result": "attn_out",
    **{f"{name}{end}": "attn_out" for name in ("attn", "self_attn", "attention") for end in ("", ".output")},
    **{f"{name}.input": "attn_in" for name in ("attn", "self_attn")},
    "self_attn.o_proj.input": "attn_z",
}
_SUFFIXES = _OTHER_SUFFIXES | {
    name.partition("{}")[2].lstrip("."): kind
    for kind, names in KINDS.items()
    for name in names
    if "{}" in name
}
_EMBEDDINGS = {"hook_embed", "embed", "embed_tokens", "embed_in", "wte", "word_embeddings", "embedding"}
_IN_BLOCK = re.compile(r"(?:.+\.)?(?:blocks|layers|layer|block|h)\.(?P<layer>\d+)(?:\.(?P<rest>.+))?")
_SHORT = re.compile(r"(?P<kind>[a-z_]+)\.(?P<layer>\d+)")


@dataclass(frozen=True, order=True)
class HookPoint:
    """A place in a language model: what flows there at the block of that index, counted from zero.

    Attributes:
        layer: block index; 0 for `embed`, which lies before every block.
        kind: one of `KINDS`.
    """

    layer: int
    kind: str = "resid_post"

    @property
    def transformer_lens(self) -> str:
        """`blocks.3.hook_resid_post`"""
        return KINDS[self.kind][0].format(self.layer)

    @property
    def module(self) -> str:
        """`layers.3`, as sparsify writes it."""
        return KINDS[self.kind][1].format(self.layer)

    def __str__(self) -> str:
        return self.kind if self.kind == "embed" else f"{self.kind}.{self.layer}"


def parse_hook_name(name: str) -> HookPoint | None:
    """Read a hook name of any dialect; None where it names no known kind (a module path of its own).

    >>> parse_hook_name("blocks.3.hook_resid_post") == parse_hook_name("gpt_neox.layers.3")
    True
    >>> parse_hook_name("layers.3.mlp")
    HookPoint(layer=3, kind='mlp_out')
    >>> str(parse_hook_name("transformer.h.0.attn"))
    'attn_out.0'
    >>> parse_hook_name("transformer.h.0.attn.c_proj") is None
    True
    """
    name = name.strip()
    if name.rpartition(".")[2] in _EMBEDDINGS:
        return HookPoint(0, "embed")
    short = _SHORT.fullmatch(name)
    if short and short["kind"] in KINDS:
        return HookPoint(int(short["layer"]), short["kind"])
    in_block = _IN_BLOCK.fullmatch(name)
    if in_block is None:
        return None
    kind = "resid_post" if in_block["rest"] is None else _SUFFIXES.get(in_block["rest"])
    return None if kind is None else HookPoint(int(in_block["layer"]), kind)


def near_kind(name: str) -> str | None:
    """The kind that a word which isn't one may mean: a hook without its block, a module, a misspelling.

    >>> near_kind("hook_mlp_out"), near_kind("hook_z"), near_kind("mlp"), near_kind("resid_psot")
    ('mlp_out', 'attn_z', 'mlp_out', 'resid_post')
    """
    name = name.strip().strip(".")
    for place in ("", "attn.", "mlp."):
        if found := parse_hook_name(f"blocks.0.{place}{name}") or parse_hook_name(
            f"blocks.0.{place}hook_{name}"
        ):
            return found.kind
    near = difflib.get_close_matches(name.removeprefix("hook_"), [*KINDS, *_SUFFIXES], n=1, cutoff=0.7)
    return next((_SUFFIXES.get(word, word) for word in near), None)


def hook_point(name: "str | HookPoint") -> HookPoint:
    """:func:`parse_hook_name` where only a known kind will do.

    Raises:
        InputError: `name` isn't a hook point of a known kind.
    """
    found = name if isinstance(name, HookPoint) else parse_hook_name(name)
    if found is None:
        raise InputError(
            f"hook name {name!r} isn't known: write e.g. 'resid_post.3', 'blocks.3.hook_resid_post' or "
            f"'layers.3' (kinds: {', '.join(KINDS)})"
        )
    return found
