"""A page in the browser that notes what it asks for and complains of, and a run that is being explored."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
TOKEN = "the-token-of-the-tests"


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
