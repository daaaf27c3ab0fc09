"""A real browser with its network off, and a report made from a finished run."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import TOKEN, Watched, served

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--host-resolver-rules=MAP rebound.example 127.0.0.1",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison of the embedded models: 2 x 2 layers, a concept."""
    from congruence.recipes import demo
    from congruence.run import compare

    config = demo(draws=50).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    for side, layers in (("a", [1, 2]), ("b", [2, 3])):
        config[side] |= {"layers": layers}
    config["corpus"] |= {"documents": 60}
    out = tmp_path_factory.mktemp("browser") / "run"
    compare(config | {"concepts": ["Time"]}, out=out, progress=False)
    return out


@pytest.fixture(scope="session")
def report(folder: Path) -> str:
    """Address of its report."""
    from congruence.report import write_report

    return write_report(folder).resolve().as_uri()


@pytest.fixture(scope="session")
def explorer(folder: Path) -> Iterator[str]:
    """Where the run is explored."""
    with served(folder) as address:
        yield address


@pytest.fixture(params=["report", "explore"])
def watched(browser: Any, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """The same page from a report's file with the network off, and from the explorer."""
    if request.param == "report":
        page = Watched(browser, request.getfixturevalue("report"))
    else:
        page = Watched(browser, f"{request.getfixturevalue('explorer')}/?token={TOKEN}", offline=False)
    yield page
    page.context.close()
