"""What a run can't answer or afford is said once its models and text are open and nothing is captured."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from congruence.config.run import RunConfig
from congruence.errors import ConfigError, InputError
from congruence.run.decoder_space import check_method
from congruence.run.grid import Cell
from congruence.run.plan import Plan
from congruence.sides.corpus import SharedText
from congruence.sides.side import Side, known_saes
from congruence.significance import ALPHA
from congruence.storage import memory_bytes

logger = logging.getLogger(__name__)

SECONDS_A_SCORE = 1e-5
"""What one null score takes at least: a lower bound, so that nothing is refused wrongly."""
LONGEST_DAYS = 7
BYTES_A_TOKEN = 16
"""Of one of a feature's strongest tokens."""


def check_possible(
    config: RunConfig, plan: Plan, sides: Mapping[str, Side], text: SharedText, cells: Sequence[Cell]
) -> None:
    """Refuse what no cell can answer and what is absurdly large; warn of draws too few to tell anything.

    Raises:
        ConfigError: in one line, with the remedy.
    """
    _check_measures(plan, sides)
    _check_shifts(config, plan, text)
    check_method(config.decoder_map)
    if config.verdicts is not None and config.verdicts.presence and text.alignment is not None:
        raise ConfigError(
            "verdicts.presence = true looks for features in states of the same tokens, but the tokenizers "
            "differ: set it to false"
        )
    if not config.force:
        _check_size(config, plan, sides, cells)
    told = null_record(config)
    if not told["enough_draws"]:
        logger.warning(
            "null.draws = %d: p can't be below %.2g, so nothing can be told from chance; use at least %d",
            config.null.draws, told["smallest_p"], told["draws_needed"],
        )  # fmt: skip


def null_record(config: RunConfig) -> dict[str, Any]:
    """What the draws of a run can tell, for its record: the smallest p, and how many draws are enough."""
    sides = 2 if config.null.alternative == "two-sided" else 1
    smallest = min(1.0, sides / (1 + config.null.draws))
    return {
        "draws": config.null.draws,
        "smallest_p": smallest,
        "enough_draws": smallest <= ALPHA,
        "draws_needed": max(99, math.ceil(sides / ALPHA) - 1),
    }


def _check_measures(plan: Plan, sides: Mapping[str, Side]) -> None:
    """Refuse a measure that no layer pair can be scored by, with its options as they are."""
    shapes = {name: _shapes(side) for name, side in sides.items()}
    for measure in (*plan.measures, *plan.concept_measures):
        refusals = []
        for features_a, width_a in shapes["a"]:
            for features_b, width_b in shapes["b"]:
                try:
                    measure.check_reach(max(features_a, features_b), width_a, width_b)
                except InputError as error:
                    refusals.append(str(error))
        if refusals and len(refusals) == len(shapes["a"]) * len(shapes["b"]):
            raise ConfigError(f"measure {measure.name!r}: {refusals[0]}")


def _shapes(side: Side) -> set[tuple[int, int]]:
    """(features, width) of every layer; of hidden units, as many features as dimensions."""
    known = known_saes(side.saes)
    return {(sae.d_sae, sae.d_in) for sae in known.values()} or {(side.model.d_model, side.model.d_model)}


def _check_shifts(config: RunConfig, plan: Plan, text: SharedText) -> None:
    """Refuse more shifts by whole documents than there are."""
    documents = min(len(tokens.document_offsets) - 1 for tokens in text.tokens.values())
    if "starts" in plan.null.needs and config.null.draws > documents:
        raise ConfigError(
            f"null {config.null.kind!r} has {documents} shifts of {documents} documents, and null.draws = "
            f"{config.null.draws} would repeat them: set it to {documents} or less, or read more documents"
        )
    if config.pairing.null_draws > documents - 1:
        raise ConfigError(
            f"pairing.null_draws = {config.pairing.null_draws}, but {documents} documents can be shifted in "
            f"{documents - 1} ways: lower it, or read more documents"
        )


def _check_size(config: RunConfig, plan: Plan, sides: Mapping[str, Side], cells: Sequence[Cell]) -> None:
    """Refuse what takes more than a week or the machine's memory at the very least."""
    real = sum(cell.control == "none" for cell in cells)
    scores = len(cells) * len(plan.measures) * config.null.draws
    if concepts := config.concepts:
        spaces = len(concepts.lists) + len(concepts.overlaps) + len(concepts.multi_token)
        tests = spaces * len(plan.concept_measures) * len(plan.concept_nulls)
        scores += real * tests * (concepts.draws or config.null.draws)
    days = scores * SECONDS_A_SCORE / 86_400
    if days > LONGEST_DAYS:
        raise ConfigError(
            f"{scores:,} null scores ({len(cells)} layer pairs, {config.null.draws:,} draws) take "
            f"{days:,.0f} days at least: lower null.draws, or give --force to run all the same"
        )
    features = max(features for side in sides.values() for features, _ in _shapes(side))
    needed = 8 * scores + BYTES_A_TOKEN * config.top_tokens * features
    if needed > memory_bytes():
        raise ConfigError(
            f"null.draws = {config.null.draws:,} and top_tokens = {config.top_tokens:,} need "
            f"{needed / 2**30:,.0f} GiB at least, and this machine has {memory_bytes() / 2**30:,.0f}: lower "
            "them, or give --force to run all the same"
        )
