"""How long the report and the explorer take over finished runs, in Chromium and over HTTP.

    python benchmarks/explore_speed.py DIR ... [--shots FOLDER]

The runs are those of `benchmarks/large_run.py`. Of a report: the time to write it, its size, first paint,
when its grid and its table of pairs stand there, and what is wider than a window of 1400 × 900. Of the
explorer: from the command to its address, from the address to the first view, then three layer pairs that
nobody asked for yet: the layer pair, its pairs, a pair, the map; and searches and sorts of the pairs. Least,
median and largest are given where there are several. `--shots` keeps pictures.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

from congruence.report import write_report
from congruence.run import Run, load_run

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WINDOW = {"width": 1400, "height": 900}
CUT = """() => [...document.querySelectorAll('table, svg, select, h2')].filter(one => one.offsetParent
    && !one.closest('.scroll') && one.getBoundingClientRect().right > innerWidth + 1).length
    + Math.max(0, document.documentElement.scrollWidth - innerWidth)"""
PAINT = "performance.getEntriesByType('paint').find(one => one.name === 'first-contentful-paint').startTime"
TALL = "document.querySelector('#grid table.grid').getBoundingClientRect().height"


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield opened
        opened.close()


def of_report(run: Run, chromium: Any, shots: Path | None) -> None:
    """The report's file and what Chromium makes of it."""
    started = time.perf_counter()
    path = write_report(run)
    written = time.perf_counter() - started
    print(f"  report: written in {written:.1f} s, {path.stat().st_size / 1e6:.1f} MB")
    page = chromium.new_page(viewport=WINDOW)
    started = time.perf_counter()
    page.goto(path.resolve().as_uri(), wait_until="commit")
    page.wait_for_selector("#grid table.grid")
    grid = time.perf_counter() - started
    page.wait_for_selector("#matches tbody tr")
    pairs = time.perf_counter() - started
    print(
        f"  report: first paint {page.evaluate(PAINT) / 1000:.2f} s, grid {grid:.2f} s, pairs {pairs:.2f} s; "
        f"cut: {page.evaluate(CUT)}; the grid is {page.evaluate(TALL):.0f} px high"
    )
    if shots:
        page.screenshot(path=shots / f"{run.path.name}-report.png")
        page.locator("#grid").screenshot(path=shots / f"{run.path.name}-report-grid.png")
    page.close()


def of_explorer(run: Run, chromium: Any, shots: Path | None) -> None:
    """The command, its first view and its answers."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "congruence.cli.main", "explore", str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            up = time.perf_counter() - started
            page = chromium.new_page(viewport=WINDOW)
            started = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.wait_for_selector("#grid table.grid")
            grid = time.perf_counter() - started
            page.wait_for_selector("#matches tbody tr")
            print(
                f"  explore: address after {up:.2f} s; from there grid {grid:.2f} s, pairs "
                f"{time.perf_counter() - started:.2f} s; cut: {page.evaluate(CUT)}"
            )
            if shots:
                page.screenshot(path=shots / f"{run.path.name}-explore.png")
            page.close()
            _answers(run, address)
        finally:
            server.terminate()


def _answers(run: Run, address: str) -> None:
    base, token = address.split("/?", maxsplit=1)[0], parse_qs(urlsplit(address).query)["token"][0]
    took: dict[str, list[float]] = defaultdict(list)

    def ask(label: str, about: str, **fields: Any) -> Any:
        started = time.perf_counter()
        with urlopen(f"{base}/api/{about}?{urlencode({**fields, 'token': token})}") as answer:
            found = json.load(answer)
        took[label].append(time.perf_counter() - started)
        return found

    cells = run.real_cells
    chosen = cells.iloc[[0, len(cells) // 3, len(cells) - 1]] if len(cells) > 2 else cells
    for a, b in zip(chosen.layer_a.tolist(), chosen.layer_b.tolist(), strict=True):
        where = {"layer_a": a, "layer_b": b}
        ask("layer pair", "cell", **where)
        rows = ask("its pairs", "matches", **where)["rows"]
        token_searched = rows[0]["top_tokens_a"][0].strip()
        ask("first search", "matches", search=token_searched, **where)
        ask("search again", "matches", search=token_searched[:3], **where)
        ask("search of a feature", "matches", search=f"b{rows[-1]['feature_b']}", **where)
        ask("sort", "matches", sort="r", kept="all", **where)
        for label, row in (("a pair", rows[0]), ("a pair, again", rows[-1])):
            ask(label, "pair", feature_a=row["feature_a"], feature_b=row["feature_b"], **where)
        ask("map", "map", **where)
        ask("without a counterpart", "unmatched", side="a", **where)
    for label, seconds in took.items():
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        print(f"  {label}: {low:.3f} / {middle:.3f} / {high:.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--shots", type=Path, help="folder for pictures")
    asked = parser.parse_args()
    if asked.shots:
        asked.shots.mkdir(parents=True, exist_ok=True)
    with browser() as chromium:
        for path in asked.runs:
            run = load_run(path)
            print(f"{path}: {len(run.real_cells)} layer pairs, {run.pair_counts[0]:,} pairs")
            of_report(run, chromium, asked.shots)
            of_explorer(run, chromium, asked.shots)


if __name__ == "__main__":
    main()
