"""A real browser with its network off, and a report made from a finished run."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--host-resolver-rules=MAP rebound.example 127.0.0.1",
]  # fmt: skip
ROOT = Path(__file__).parents[2]
AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class Watched:
    """A page of the report with every request, console line and error it gave."""

    def __init__(
        self, browser: Any, address: str, width: int = 1400, scheme: str = "light", **options: Any
    ) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        options = {
            "viewport": {"width": width, "height": 900},
            "color_scheme": scheme,
            "offline": True,
        } | options
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(90_000)  # a machine that does much else is slow, not wrong
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)


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


TOKEN = "the-token-of-the-tests"


@contextmanager
def served(run: Path) -> Iterator[str]:
    """The address at which a run is explored, without its token."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra explore isn't installed")
    from congruence.explore.app import application
    from congruence.explore.serve import listening, names_of, opened

    with listening(0) as taken:
        port = taken.getsockname()[1]
        app = application(opened(run), TOKEN, names_of(port))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join()


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
