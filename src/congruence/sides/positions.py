"""Which positions of the text count: BOS as SAEs were trained with it, leading tokens, attention sinks."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from congruence.config.sections import CorpusConfig
from congruence.errors import ConfigError, CorpusError
from congruence.models import Tokens
from congruence.sides.sample import Sample, is_sink
from congruence.sides.side import Side, fed_place, known_saes
from congruence.storage import Memo

logger = logging.getLogger(__name__)

MOST_SINKS = 8
"""Leading tokens of a row that are looked at: sinks sit on the first, seldom on one or two more."""


def begins_with_bos(
    config: CorpusConfig, side: Side, memo: Memo, trained_with_bos: bool | None = None
) -> bool | None:
    """Whether rows begin with BOS: as configured, as the SAEs' files say, None for what the tokenizer does.

    Where the files say so and the tokenizer has no BOS token, rows begin as it begins them.

    Args:
        config: the section.
        side: with its SAEs.
        memo: keeps whether its tokenizer has a BOS token.
        trained_with_bos: what else says so: the crosscoder that the side is a place of.

    Raises:
        ConfigError: its SAEs were trained differently, and the configuration doesn't say which to follow.
    """
    if config.prepend_bos != "auto":
        return config.prepend_bos
    stated = {sae.prepend_bos for sae in known_saes(side.saes).values() if sae.prepend_bos is not None}
    stated |= set() if trained_with_bos is None else {trained_with_bos}
    if len(stated) > 1:
        raise ConfigError(
            f"some SAEs of {side.config.label} were trained with BOS and some without (prepend_bos in their "
            "files): set corpus.prepend_bos to yes or no"
        )
    wanted = stated.pop() if stated else None
    model = side.model
    if wanted and not memo.value("has-bos", model.key, lambda: model.tokenizer.bos_token_id is not None):
        logger.warning("SAEs of %s were trained with BOS, and its tokenizer has none", side.config.label)
        return None
    return wanted


def leading_sinks(side: Side, tokens: Tokens, sample: Sample, memo: Memo) -> int:
    """How many leading tokens of text are attention sinks in most rows, at any place a side is read.

    Args:
        side: its model is loaded for it, unless the memo knows.
        tokens: the side's text.
        sample: of that text.
        memo: keeps the answer.
    """
    places = list(dict.fromkeys(fed_place(side, layer) for layer in side.layers))
    return memo.value(
        "leading-sinks",
        [side.model.key, tokens.key, places, list(sample.tokens.input_ids.shape)],
        lambda: _leading(sample, places),
    )


def _leading(sample: Sample, places: list[str]) -> int:
    sample.capture(places)
    text = sample.tokens.attention_mask.copy()
    text[text] = ~sample.special
    order = np.cumsum(text, axis=1) - 1  # which token of its row's text a position holds
    found = 0
    for place in places:
        sinks = np.zeros(text.shape, dtype=bool)
        sinks[sample.tokens.attention_mask] = is_sink(sample.states(place), sample.special)
        share = [_share(sinks, text & (order == number)) for number in range(MOST_SINKS)]
        found = max(found, next((n for n, part in enumerate(share) if part < 0.5), MOST_SINKS))
    return found


def _share(of: np.ndarray, among: np.ndarray) -> float:
    return float(of[among].mean()) if among.any() else 0.0


def without_leading(tokens: Tokens, count: int, why: str) -> Tokens:
    """Tokens of which the first `count` kept ones of each row count no longer.

    Args:
        tokens: of a corpus.
        count: how many.
        why: what asks for it, for the message.

    Raises:
        CorpusError: fewer than two are left.
    """
    if count == 0:
        return tokens
    keep = tokens.keep & (np.cumsum(tokens.keep, axis=1) > count)
    if keep.sum() < 2:
        raise CorpusError(
            f"{why} leaves out the first {count} token(s) of each row, and {int(keep.sum())} are left: "
            "lower it, or give longer documents"
        )
    return replace(tokens, keep=keep)


def stated_record(
    begins: Mapping[str, bool | None], skipped: int, sinks: Mapping[str, int]
) -> dict[str, Any]:
    """What run.json says of all this."""
    return {
        "prepend_bos": {name: "tokenizer" if value is None else value for name, value in begins.items()},
        "leading_sinks": dict(sinks),
        "left_out_of_each_row": skipped,
    }
