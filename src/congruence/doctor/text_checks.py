"""What the doctor asks of the text: tokenizers, BOS and padding, attention sinks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from congruence.activations import stated
from congruence.config.run import RunConfig
from congruence.doctor.records import Record
from congruence.errors import CongruenceError
from congruence.models import Tokens
from congruence.sides.corpus import SharedText
from congruence.sides.sample import SINK_FACTOR, Sample, is_sink
from congruence.sides.side import Side, fed_place

FEW_COVERED = 0.9
"""Share of a side's tokens in aligned units below which it is worth a warning."""
SINKS_MATTER = 0.2
"""Share of the squared norm that sits in attention sinks from which it is worth a warning."""


def tokenizer_record(config: RunConfig, text: SharedText) -> Record:
    """Equal tokenizers, or how much of the text their alignment covers."""
    alignment = text.alignment
    if alignment is None:
        n = text.tokens["a"].n
        return Record("tokenizer", "ok", f"equal: the same vocabulary, and the same ids on {n:,} tokens")
    covered = {"coverage_a": alignment.coverage_a, "coverage_b": alignment.coverage_b}
    message = (
        f"different: {len(alignment):,} units of text pooled by {config.corpus.pooling}, covering "
        f"{100 * alignment.coverage_a:.1f} % of the tokens of a and {100 * alignment.coverage_b:.1f} % of b"
    )
    if min(covered.values()) >= FEW_COVERED:
        return Record("tokenizer", "ok", message, figures=covered)
    remedy = "tokens outside of units are left out: compare on text that both tokenizers read whole"
    return Record("tokenizer", "warning", message, remedy, figures=covered)


def special_token_records(
    config: RunConfig, side: Side, tokens: Tokens, metadata: Sequence[Mapping[str, Any]]
) -> Iterator[Record]:
    """BOS as the SAEs were trained with it, special tokens and padding left out of every statistic.

    Args:
        config: of the run.
        side: whose.
        tokens: its text.
        metadata: what the files of its SAEs say.
    """
    begins = _begins_with_bos(side, tokens)
    expected = {bool(value) for each in metadata if (value := stated(each, "prepend_bos")) is not None}
    padded = float(1 - tokens.attention_mask.mean())
    said = f"{'BOS before every row' if begins else 'no BOS'}, {100 * padded:.0f} % padding"
    if not config.corpus.mask_special:
        message = f"{said}, and corpus.mask_special is off: BOS and padding count as tokens"
        remedy = "leave mask_special on, unless published numbers are to be repeated"
        yield Record("special tokens", "warning", message, remedy, side=side.name)
    elif expected == {not begins}:
        trained = "with" if not begins else "without"
        message = f"{said}, but the SAEs were trained {trained} BOS (prepend_bos in their files)"
        remedy = "set corpus.prepend_bos to auto"
        yield Record("special tokens", "warning", message, remedy, side=side.name)
    else:
        yield Record("special tokens", "ok", f"{said}, all left out", side=side.name)
    if (record := _length_record(side, tokens, metadata)) is not None:
        yield record


def _length_record(side: Side, tokens: Tokens, metadata: Sequence[Mapping[str, Any]]) -> Record | None:
    sizes = [int(size) for each in metadata if (size := stated(each, "context_size"))]
    if not sizes or tokens.length <= min(sizes):
        return None
    message = f"rows of up to {tokens.length} tokens, but the SAEs were trained on {min(sizes)}"
    remedy = f"set corpus.max_tokens to {min(sizes)}"
    return Record("row length", "warning", message, remedy, side=side.name)


def _begins_with_bos(side: Side, tokens: Tokens) -> bool:
    bos = side.model.tokenizer.bos_token_id
    return bos is not None and bool((tokens.input_ids[:, 0] == bos).all())


def sink_record(config: RunConfig, side: Side, sample: Sample, text: SharedText) -> Record:
    """Tokens of text whose norm is many times the median, at the place where they are worst.

    Those that the run leaves out anyway are told apart from those that count.
    """
    left_out = int(text.positions.get("left_out_of_each_row", 0))
    counted = _counted(sample, left_out)
    share, weight, place = max(_sinks(side, sample, ~sample.special), default=(0.0, 0.0, ""))
    figures = {"share": share, "share_of_squared_norm": weight, "left_out_of_each_row": left_out}
    if share == 0:
        message = f"none: no token of text is longer than {SINK_FACTOR:.0f} times the median"
        return Record("attention sinks", "ok", message, side=side.name, figures=figures)
    rest_share, rest, _ = max(_sinks(side, sample, counted), default=(0.0, 0.0, ""))
    figures |= {"share_counted": rest_share, "share_of_squared_norm_counted": rest}
    message = (
        f"{100 * share:.2g} % of the tokens of text at {place} are longer than {SINK_FACTOR:.0f} times the "
        f"median and hold {100 * weight:.0f} % of the squared norm"
    )
    if left_out:
        message += (
            f"; the first {left_out} of each row are left out, and of the rest {100 * rest_share:.2g} % hold "
            f"{100 * rest:.0f} %"
        )
    message += "; fits are judged without them"
    serious = rest >= SINKS_MATTER
    remedy = (
        "features that fire on them alone pair with each other: set corpus.sinks to mask"
        if config.corpus.sinks == "keep"
        else "features that fire on them alone pair with each other, and they don't begin their rows: "
        "see their top tokens"
    )
    return Record(
        "attention sinks", "warning" if serious else "ok", message, remedy if serious else "",
        side=side.name, hook_name=place, figures=figures,
    )  # fmt: skip


def _counted(sample: Sample, left_out: int) -> np.ndarray:
    """(n,) which positions of a sample the run counts."""
    mask = sample.tokens.attention_mask
    text = mask.copy()
    text[mask] = ~sample.special
    return (text & (np.cumsum(text, axis=1) > left_out))[mask]


def _sinks(side: Side, sample: Sample, among: np.ndarray) -> Iterator[tuple[float, float, str]]:
    for layer in side.layers:
        try:
            place = fed_place(side, layer)
            states = sample.states(place)
        except CongruenceError:  # told in the record of the layer's SAE
            continue
        sink = is_sink(states, sample.special)[among]
        squares = states.double().square().sum(dim=-1).numpy()[among]
        if len(sink):
            yield float(sink.mean()), float(squares[sink].sum() / max(squares.sum(), 1e-30)), place
