"""A crosscoder under examination: fed by all of its places, measured at each, and its misfit explained."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from congruence.doctor.judge import HOPELESS, POOR, judge, other_hook, other_model, other_order, other_scale
from congruence.doctor.places import beside, exists
from congruence.doctor.probes import Probe, turned_at_random
from congruence.doctor.records import Record
from congruence.doctor.saes import FEWEST_TOKENS, WEIGHTS_READ
from congruence.errors import CongruenceError
from congruence.hook_names import parse_hook_name
from congruence.saes.crosscoder import AtPlace, Crosscoder
from congruence.saes.fit import Fit, measure
from congruence.sides.sample import Sample
from congruence.sides.side import Side


@dataclass(frozen=True)
class Seat:
    """Where one place of a crosscoder is read.

    Attributes:
        side: whose model.
        hook: the hook point.
        sample: of the text as that model reads it; all seats of a crosscoder have the same rows.
    """

    side: Side
    hook: str
    sample: Sample

    def moved(self, step: int) -> "Seat | None":
        """The same one block before or after; None where the model ends."""
        point = parse_hook_name(self.hook)
        layer = point.layer if point else self.side.layers[0]
        found = beside(self.side, self.hook, layer)[step > 0] if point else None
        return replace(self, hook=found) if found is not None and exists(self.side, found) else None


def examine_crosscoder(
    crosscoder: Crosscoder, seats: Sequence[Seat], wanted: Mapping[tuple[str, int], int]
) -> list[Record]:
    """The records of a crosscoder's fit; whatever goes wrong is an error in each of them.

    Args:
        crosscoder: it.
        seats: of all its places, in its order.
        wanted: (side, layer) -> number of the place that they are.
    """
    places = sorted(set(wanted.values()))
    try:
        told = _examined(crosscoder, seats, places)
    except CongruenceError as error:
        told = dict.fromkeys(places, Record("fit", "error", str(error)))
    return [
        replace(told[place], side=side, layer=layer, hook_name=seats[place].hook)
        for (side, layer), place in wanted.items()
    ]


def _examined(crosscoder: Crosscoder, seats: Sequence[Seat], wanted: Sequence[int]) -> dict[int, Record]:
    """Place -> its record."""
    _capture(seats)
    for seat in seats:
        states = seat.sample.states(seat.hook)
        if states.shape[-1] != crosscoder.d_in:
            message = (
                f"d_in disagrees: the crosscoder {crosscoder.path} reads vectors of {crosscoder.d_in}, "
                f"{seat.hook} of {seat.side.config.label} gives {states.shape[-1]}"
            )
            remedy = "name the crosscoder that was trained on these models"
            return dict.fromkeys(wanted, Record("fit", "error", message, remedy, cause="d_in"))
        if not torch.isfinite(states).all():
            message = f"{seat.hook} of {seat.side.config.label} isn't finite"
            remedy = "load the model in float32 or bfloat16"
            return dict.fromkeys(wanted, Record("fit", "error", message, remedy, cause="not_finite"))
    x = _stacked(seats, seats)
    x = x[: max(FEWEST_TOKENS, WEIGHTS_READ // (crosscoder.n_places * crosscoder.d_in * crosscoder.d_sae))]
    started = time.perf_counter()
    crosscoder.encode_csr(x)
    seconds = (time.perf_counter() - started) / len(x) / len(wanted)
    shifted = {step: moved for step in (-1, 1) if (moved := _moved(seats, step, x))}
    found = {}
    for place in wanted:
        fit = measure(AtPlace(crosscoder, place), x, x[:, place])
        near = {step: measure(AtPlace(crosscoder, place), y, y[:, place]) for step, (y, _) in shifted.items()}
        hooks = {hooks[place]: near[step] for step, (_, hooks) in shifted.items()}
        record = judge(seats[place].hook, fit, _suspicions(AtPlace(crosscoder, place), seats, x, fit, hooks))
        figures = {**record.figures, **fit.figures, "seconds_a_token": seconds, "d_in": crosscoder.d_in}
        for step, name in ((-1, "before"), (1, "after")):
            figures |= {f"fvu_{name}": near[step].fvu} if step in near else {}
        found[place] = replace(record, figures=figures)
    return found


def _suspicions(
    at: AtPlace, seats: Sequence[Seat], x: torch.Tensor, fit: Fit, near: Mapping[str, Fit]
) -> list[Record]:
    """Every explanation of a misfit that holds."""
    crosscoder, place = at.crosscoder, at.place
    found = []
    if elsewhere := other_hook(seats[place].hook, fit, near, None):
        remedy = "correct hook and layers of both sides, or name the crosscoder that was trained here"
        found.append(replace(elsewhere, remedy=remedy))
    if len(seats) == 2:
        y = x.flip(1)
        found.append(other_order(fit, measure(at, y, y[:, place])))
    if fit.fvu >= POOR:
        scales = (
            Probe(change, measure(AtPlace(one, place), x, x[:, place]))
            for change, one in _scaled(crosscoder, x)
        )
        found.append(other_scale(fit, list(scales)))
        if not any(found) and fit.fvu < HOPELESS:
            y = turned_at_random(x)
            if foreign := other_model(fit, measure(at, y, y[:, place]), len(near)):
                remedy = "it was trained on other models of equal width: check models, revisions and its path"
                found.append(replace(foreign, remedy=remedy))
    return [suspicion for suspicion in found if suspicion]


def _scaled(crosscoder: Crosscoder, x: torch.Tensor) -> Iterator[tuple[str, Crosscoder]]:
    """The conventions of input scales that crosscoders are trained with."""
    norms = x.norm(dim=-1).mean(dim=0).to(crosscoder.W_dec.device)
    if crosscoder.scale is not None:
        yield "inputs as they are", replace(crosscoder, scale=None)
    yield "inputs brought to a mean norm of √d", replace(crosscoder, scale=crosscoder.d_in**0.5 / norms)
    yield "inputs brought to a mean norm of 1", replace(crosscoder, scale=1 / norms)


def _moved(seats: Sequence[Seat], step: int, x: torch.Tensor) -> tuple[torch.Tensor, tuple[str, ...]] | None:
    """The inputs one block before or after at every place, and the hook points; None where there are none."""
    moved = [seat.moved(step) for seat in seats]
    there = [seat for seat in moved if seat is not None]
    if len(there) < len(seats):
        return None
    _capture(there)
    if any(seat.sample.states(seat.hook).shape[-1] != x.shape[-1] for seat in there):
        return None
    return _stacked(there, seats)[: len(x)], tuple(seat.hook for seat in there)


def _capture(seats: Sequence[Seat]) -> None:
    """All that one model has to give in one pass."""
    for seat in seats:
        seat.sample.capture([other.hook for other in seats if other.sample is seat.sample])


def _stacked(seats: Sequence[Seat], of: Sequence[Seat]) -> torch.Tensor:
    """(n, places, d) inputs on the tokens that are ordinary at every place of `of`."""
    ordinary = torch.stack([seat.sample.ordinary(seat.hook) for seat in of]).all(dim=0)
    if int(ordinary.sum()) < 2:
        ordinary = torch.from_numpy(~of[0].sample.special)
    return torch.stack([seat.sample.states(seat.hook)[ordinary] for seat in seats], dim=1)
