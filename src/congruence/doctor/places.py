"""Where an SAE is fed, and the places beside that it might fit better."""

from congruence.errors import ModelError
from congruence.hook_names import HookPoint, parse_hook_name
from congruence.models.blocks import shifted
from congruence.saes import Sae
from congruence.sides.side import Side, hook_name

_OTHER_KINDS = ("resid_pre", "resid_mid", "resid_post", "mlp_out", "attn_out")


def beside(side: Side, place: str, layer: int) -> tuple[str | None, str | None]:
    """The places one block before and one after; None where the model ends."""
    point = parse_hook_name(place)
    if point is not None:
        return _moved(side, point, -1), _moved(side, point, 1)
    before, after = layer - 1, layer + 1
    return (
        hook_name(side.config.hook, before) if before >= 0 else None,
        hook_name(side.config.hook, after) if after < side.model.n_layers else None,
    )


def elsewhere(side: Side, place: str) -> list[str]:
    """The same kind of place in every block, and the other kinds in its own."""
    point = parse_hook_name(place)
    if point is None:
        return []
    n_layers = side.model.n_layers
    places = ["resid_pre.0", *(f"{point.kind}.{layer}" for layer in range(n_layers))]
    places += [f"{kind}.{point.layer}" for kind in _OTHER_KINDS]
    return [name for name in dict.fromkeys(places) if name != place and exists(side, name)]


def named_place(side: Side, sae: Sae, place: str) -> str | None:
    """The place that the SAE's file names, where it isn't `place`; None where it says nothing else."""
    point = sae.hook_point
    if point is None or _same(point, parse_hook_name(place)) or not exists(side, str(point)):
        return None
    return str(point)


def target_place(sae: Sae, place: str) -> str | None:
    """What a transcoder fed at `place` predicts: the kind its file names, else the MLP's output."""
    point = parse_hook_name(place)
    if point is None:
        return None
    out = parse_hook_name(sae.hook_name_out) if sae.hook_name_out else None
    distance = out.layer - sae.layer if out is not None and sae.layer is not None else 0
    return str(HookPoint(point.layer + distance, out.kind if out is not None else "mlp_out"))


def in_words(place: str) -> str:
    """A place as people say it.

    >>> in_words("resid_post.3"), in_words("resid_pre.0"), in_words("mlp_out.2")
    ("block 3's output", "block 0's input", 'mlp_out.2')
    """
    point = parse_hook_name(place)
    ends = {"resid_post": "output", "resid_pre": "input"}
    return f"block {point.layer}'s {ends[point.kind]}" if point and point.kind in ends else place


def than(one: str, other: str) -> str:
    """The second of two places that are compared, without repeating what they have in common.

    >>> than("resid_post.3", "resid_post.4"), than("mlp_out.3", "resid_post.4")
    ("block 4's", "block 4's output")
    """
    words = in_words(other)
    last = words.rpartition(" ")[2]
    return words.removesuffix(f" {last}") if in_words(one).endswith(f" {last}") else words


def exists(side: Side, place: str) -> bool:
    """Whether the model has such a place."""
    try:
        side.model.taps(place)
    except ModelError:
        return False
    return True


def _moved(side: Side, point: HookPoint, offset: int) -> str | None:
    name = str(shifted(point, offset))
    return name if exists(side, name) else None


def _same(one: HookPoint, other: HookPoint | None) -> bool:
    return other is not None and _residual(one) == _residual(other)


def _residual(point: HookPoint) -> HookPoint:
    """What goes into a block is what the one before it gives out."""
    before_the_first = point.layer == 0
    if point.kind == "resid_pre" and not before_the_first:
        return HookPoint(point.layer - 1, "resid_post")
    return point
