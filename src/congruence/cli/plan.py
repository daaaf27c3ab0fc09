"""`congruence plan CONFIG`: what a run will take, before any of it is computed."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from congruence.cli.places import RunDir
from congruence.cli.run import set_option

if TYPE_CHECKING:
    from congruence.planning import Plan


class Numbers(click.ParamType):
    """Numbers of workers, such as 1,8,64."""

    name = "N,N,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() and 1 <= int(part) <= 10_000 for part in parts):
            self.fail(f"{value[:60]!r} isn't numbers from 1 to 10000: write 1,8,64", param, ctx)
        return tuple(sorted({int(part) for part in parts}))


class Within(click.FloatRange):
    """A number of a range, which nan isn't in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} isn't a number", param, ctx)
        return found


_PRICE = Within(0, 1e6)


@click.command("plan")
@click.argument("config", type=click.Path(path_type=Path))
@set_option
@click.option(
    "--from",
    "measured",
    type=RunDir(),
    help="A run (finished or not) of this configuration or one like it, whose tasks say how fast they are.",
)
@click.option("--workers", type=Numbers(), default="1,2,4,8,16,32,64,128,256,512,1000", show_default=True)
@click.option(
    "--core-hour", type=_PRICE, default=0.05, show_default=True, help="Price of a core for an hour."
)
@click.option("--gpu-hour", type=_PRICE, default=2.5, show_default=True, help="Price of a GPU for an hour.")
@click.option("--gigabyte-month", type=_PRICE, default=0.023, show_default=True, help="Price of storage.")
@click.option("--thousand-requests", type=_PRICE, default=0.005, show_default=True, help="Price of requests.")
@click.option(
    "--latency", type=Within(0, 60), default=0.03, show_default=True,
    help="Seconds of a request to the store; 0 where workers share a file system.",
)  # fmt: skip
@click.option(
    "--bandwidth", type=Within(1e3, 1e12), default=1e8, show_default=True,
    help="Bytes a second between a worker and the store.",
)  # fmt: skip
@click.option(
    "--stragglers", type=Within(0, 1), default=0.01, show_default=True,
    help="Share of tasks that take four times as long.",
)  # fmt: skip
@click.option(
    "--deaths", type=Within(0, 100), default=0.01, show_default=True,
    help="Of a worker, in an hour.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def command(
    config: Path,
    *,
    changes: tuple[str, ...],
    measured: Path | None,
    workers: tuple[int, ...],
    core_hour: float,
    gpu_hour: float,
    gigabyte_month: float,
    thousand_requests: float,
    latency: float,
    bandwidth: float,
    stragglers: float,
    deaths: float,
    as_json: bool,
) -> None:
    """Say what the run of CONFIG will take: hours, bytes, requests, money, and how many workers it can use.

    Text, shapes of models and listings of SAEs are read; nothing is computed.
    """
    from congruence.config.changes import load_changed
    from congruence.config.parsing import of_two
    from congruence.config.steps import check_names
    from congruence.planning import Costs, Prices, Setting, measured_in, plan_of, work_of
    from congruence.progress import shown

    resolved = of_two(load_changed(config, changes), str(config))
    check_names(resolved)
    found = None if measured is None else measured_in(measured)
    with shown(not as_json):
        work = work_of(resolved, None if found is None else found.l0)
    costs = Costs.default()
    if found is not None:
        costs = found.fit(costs, work.pieces, work.tokens)
    plan = plan_of(
        work,
        costs,
        workers=workers,
        setting=Setting(1, latency=latency, bandwidth=bandwidth, stragglers=stragglers, deaths=deaths),
        prices=Prices(core_hour, gpu_hour, gigabyte_month, thousand_requests),
        cpus=resolved.runner.cpus,
    )
    if as_json:
        click.echo(json.dumps(plan.record(), indent=2))
        return
    for line in _lines(plan):
        click.echo(line)


def _lines(plan: "Plan") -> Iterator[str]:
    """The plan for people."""
    from congruence.progress import in_words

    work = plan.work
    yield f"{work.tokens:,} tokens, {work.cells} layer pairs, {len(work.pieces):,} tasks"
    for name, stage in plan.stages.items():
        hours = in_words(3600 * stage["worker_hours"])
        tasks, size = f"{stage['tasks']:,.0f}", _size(stage["bytes"])
        yield f"  {name:<16}{tasks:>7} tasks  {hours:>8} of one worker  {size:>9}"
    kept = f"stored {_size(plan.bytes)} ({plan.month:,.2f} a month)"
    yield f"{kept}, {plan.requests:,} requests with one worker"
    yield ""
    heads = ("workers", "time", "efficiency", "core hours", "GPU hours", "money", "most is lost to")
    yield "  ".join((*(f"{head:>10}" for head in heads[:-1]), heads[-1]))
    for one, hours in zip(plan.outcomes, plan.hours, strict=True):
        numbers = [f"{hours[name]:,.2f}" for name in ("core_hours", "gpu_hours", "money")]
        row = (f"{one.workers:,}", in_words(one.seconds), f"{one.efficiency:.0%}", *numbers)
        yield "  ".join((*(f"{cell:>10}" for cell in row), one.cause))
    yield ""
    if plan.limit is None:
        yield "Efficiency stays at 90 % or more."
    else:
        yield f"Below 90 % from {plan.limit.workers:,} workers on: {plan.why}."
    yield f"Costs of tasks: {plan.costs.told}."
    for line in work.assumed:
        yield f"Assumed: {line}."


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError
