"""What the doctor says: one record for each thing it looked at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["ok", "warning", "error"]
STATUSES: tuple[Status, ...] = ("ok", "warning", "error")


@dataclass(frozen=True)
class Record:
    """One finding.

    Attributes:
        check: what was looked at: model, sae, fit, tokenizer, special tokens, attention sinks, equal
            index, cost.
        status: ok, warning, or error, which stops a run unless it is forced.
        message: what was found, with its numbers.
        remedy: what to do; "" where nothing is to be done.
        cause: why an SAE doesn't fit: hook, order, scale, decoder, reading, other_model, d_in, silent,
            not_finite, poor, dense, dead, norm; "" where it does.
        side: "a" or "b"; "" for both.
        layer: block index, of records about an SAE.
        seed: "saes" or "other_seed", of records about an SAE: the section of the configuration it is from; ""
            for a crosscoder, which both sides are places of.
        hook_name: where the SAE is fed.
        figures: the numbers measured, by name: those of :class:`~congruence.saes.fit.Fit`, the FVU one block
            before and after, and fvu_mended, what would be left if the cause were mended.
    """

    check: str
    status: Status
    message: str
    remedy: str = ""
    cause: str = ""
    side: str = ""
    layer: int | None = None
    seed: str = ""
    hook_name: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Side and layer in words, e.g. ``a layer 3``."""
        layer = "" if self.layer is None else f"layer {self.layer}"
        seed = "(other seed)" if self.seed == "other_seed" else ""
        return " ".join(part for part in (self.side, layer, seed) if part)

    @property
    def line(self) -> str:
        """The finding and its remedy on one line."""
        told = f"{self.where}: {self.message}" if self.where else self.message
        return f"{told}: {self.remedy}" if self.remedy else told


def errors(records: Iterable[Record]) -> list[Record]:
    """The records that stop a run."""
    return [record for record in records if record.status == "error"]
