"""What the doctor asks of the text: tokenizers, BOS and padding, attention sinks."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from congruence.config.run import RunConfig
from congruence.doctor.places import fed_place
from congruence.doctor.records import Record
from congruence.doctor.sample import SINK_FACTOR, Sample
from congruence.errors import CongruenceError
from congruence.models import Tokens
from congruence.models.encoding import adds_bos
from congruence.sides.corpus import SharedText
from congruence.sides.side import Side

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


def special_token_records(config: RunConfig, side: Side, tokens: Tokens) -> Iterator[Record]:
    """BOS as the SAEs were trained with it, special tokens and padding left out of every statistic."""
    begins = _begins_with_bos(side, tokens)
    expected = {
        bool(value) for sae in side.saes.values() if (value := _stated(sae, "prepend_bos")) is not None
    }
    padded = float(1 - tokens.attention_mask.mean())
    said = f"{'BOS before every row' if begins else 'no BOS'}, {100 * padded:.0f} % padding"
    if not config.corpus.mask_special:
        message = f"{said}, and corpus.mask_special is off: BOS and padding count as tokens"
        remedy = "leave mask_special on, unless published numbers are to be repeated"
        yield Record("special tokens", "warning", message, remedy, side=side.name)
    elif expected == {not begins}:
        trained = "with" if not begins else "without"
        message = f"{said}, but the SAEs were trained {trained} BOS (prepend_bos in their files)"
        remedy = "their first tokens may be unlike those they were trained on: compare their fit"
        yield Record("special tokens", "warning", message, remedy, side=side.name)
    else:
        yield Record("special tokens", "ok", f"{said}, all left out", side=side.name)
    if (record := _length_record(side, tokens)) is not None:
        yield record


def _length_record(side: Side, tokens: Tokens) -> Record | None:
    sizes = [int(size) for sae in side.saes.values() if (size := _stated(sae, "context_size"))]
    if not sizes or tokens.length <= min(sizes):
        return None
    message = f"rows of up to {tokens.length} tokens, but the SAEs were trained on {min(sizes)}"
    remedy = f"set corpus.max_tokens to {min(sizes)}"
    return Record("row length", "warning", message, remedy, side=side.name)


def _begins_with_bos(side: Side, tokens: Tokens) -> bool:
    bos = side.model.tokenizer.bos_token_id
    return bos is not None and adds_bos(side.model.tokenizer) and bool((tokens.input_ids[:, 0] == bos).all())


def _stated(sae: Any, name: str) -> Any:
    """What an SAE's config says of its training, in SAELens' metadata or beside it."""
    inner = sae.metadata.get("metadata")
    return (inner if isinstance(inner, Mapping) else sae.metadata).get(name)


def sink_record(side: Side, sample: Sample) -> Record:
    """Tokens of text whose norm is many times the median, at the place where they are worst."""
    share, weight, place = max(_sinks(side, sample), default=(0.0, 0.0, ""))
    figures = {"share": share, "share_of_squared_norm": weight}
    if share == 0:
        message = f"none: no token of text is longer than {SINK_FACTOR:.0f} times the median"
        return Record("attention sinks", "ok", message, side=side.name, figures=figures)
    message = (
        f"{100 * share:.2g} % of the tokens of text at {place} are longer than {SINK_FACTOR:.0f} times the "
        f"median and hold {100 * weight:.0f} % of the squared norm; fits are judged without them"
    )
    status = "warning" if weight >= SINKS_MATTER else "ok"
    remedy = "features that fire on them alone pair with each other: see their top tokens"
    return Record(
        "attention sinks", status, message, remedy if status == "warning" else "", side=side.name,
        hook_name=place, figures=figures,
    )  # fmt: skip


def _sinks(side: Side, sample: Sample) -> Iterator[tuple[float, float, str]]:
    for layer in side.layers:
        try:
            place = fed_place(side, layer)
            norm = sample.states(place).norm(dim=-1).numpy()[~sample.special]
        except CongruenceError:  # told in the record of the layer's SAE
            continue
        sink = norm > SINK_FACTOR * np.median(norm)
        squares = np.square(norm, dtype=np.float64)
        yield float(sink.mean()), float(squares[sink].sum() / max(squares.sum(), 1e-30)), place
