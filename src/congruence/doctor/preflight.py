"""The brief examination before a run: errors stop it, warnings are logged."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from congruence.config.run import RunConfig
from congruence.doctor.diagnose import examination
from congruence.doctor.records import Record, errors
from congruence.errors import SaeError
from congruence.sides.corpus import SharedText
from congruence.sides.side import Side

logger = logging.getLogger(__name__)

BRIEF_TOKENS = 1024


def preflight(config: RunConfig, sides: Mapping[str, Side], text: SharedText) -> list[Record]:
    """Look at a small sample, and stop where something doesn't fit unless the run is forced.

    A hook that is shifted on purpose (`hook_offset`) is logged and doesn't stop the run.

    Raises:
        SaeError: the first error, how many there are, and what to do, in one line.
    """
    found = examination(config, sides, text, sample_tokens=BRIEF_TOKENS)
    records = [_as_declared(record, sides) for record in found]
    stopping = errors(records)
    for record in records:
        if record.status == "warning" or (record.status == "error" and config.force):
            logger.warning("%s", record.line)
    if stopping and not config.force:
        raise SaeError(stop_line(stopping))
    return records


def stop_line(stopping: list[Record]) -> str:
    """The first error and how many there are.

    Args:
        stopping: the errors, at least one.
    """
    more = f" (and {len(stopping) - 1} more)" if len(stopping) > 1 else ""
    return f"{stopping[0].line}{more}; `congruence doctor` shows everything, --force runs all the same"


def _as_declared(record: Record, sides: Mapping[str, Side]) -> Record:
    asked_for = record.side in sides and sides[record.side].config.hook_offset != 0
    if asked_for and record.check == "fit" and record.status == "error":
        return replace(record, status="warning", remedy="hook_offset asks for this")
    return record
