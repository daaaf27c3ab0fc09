"""The explorer in Chromium: who may see a run, what its text can do, and runs that change or aren't whole."""

import fcntl
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import TOKEN, Watched, served

pytestmark = pytest.mark.slow

HOSTILE = [
    "<script>window.hit=1</script>",
    "\u202e\u200bevil",
    "x" * 10_000,
    "<img src=x onerror=window.hit=1>",
    "a\x00b",
]
OUT = [
    "/../run.json",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2frun.json",
    "/run.json",
    "/api/..%2f..%2frun.json",
]


SEAL = ("kind", "format_version", "files", "checksum", "place")
"""What a record says of itself."""


def opened(browser: Any, address: str) -> Watched:
    return Watched(browser, address, offline=False)


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", f"?token={TOKEN}x"])
def test_without_the_token_nothing_is_told(browser: Any, explorer: str, folder: Path, query: str) -> None:
    seen = opened(browser, f"{explorer}/{query}")
    text = seen.page.locator("body").inner_text()
    assert "open the address that `congruence explore` printed" in text
    assert "demo-small" not in text
    assert seen.page.evaluate("fetch('/api/overview').then(answer => answer.status)") == 403
    seen.context.close()


def test_a_name_that_points_here_is_refused(browser: Any, explorer: str) -> None:
    """Chromium is told that rebound.example is this machine, as a rebinding name server would."""
    seen = opened(browser, f"{explorer.replace('127.0.0.1', 'rebound.example')}/?token={TOKEN}")
    assert "wrong Host" in seen.page.locator("body").inner_text()
    assert "demo-small" not in seen.page.content()
    seen.context.close()


def test_no_address_leads_out_of_the_page(browser: Any, explorer: str) -> None:
    seen = opened(browser, f"{explorer}/?token={TOKEN}")
    for path in OUT:
        status, text = seen.page.evaluate(
            "path => fetch(path, {headers: {'X-Congruence-Token': new URLSearchParams(location.search).get('token')}})"
            ".then(async answer => [answer.status, await answer.text()])", path
        )  # fmt: skip
        assert status == 404
        assert "congruence/run" not in text
        assert "root:" not in text
    seen.context.close()


def test_hostile_text_is_text(browser: Any, folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "hostile"
    rewritten(folder, run)
    with served(run) as address:
        seen = opened(browser, f"{address}/?token={TOKEN}")
        page = seen.page
        page.wait_for_selector("#matches tbody tr")
        assert "<script>" in page.locator("h1").inner_text()
        hostile_is_marked(page.locator("#matches tbody tr").first.inner_text())
        page.locator("#matches a").first.click()
        page.wait_for_selector("#pair .context .peak")
        hostile_is_marked(page.locator("#pair").inner_text())
        assert page.locator("#congruence-app script, #congruence-app img").count() == 0
        assert page.evaluate("window.hit") is None
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert seen.complaints == []
        seen.context.close()


def hostile_is_marked(text: str) -> None:
    assert HOSTILE[0] in text
    assert "\\u202e\\u200bevil" in text
    assert "a\\x00b" in text
    assert "(+9" in text
    assert not set("\u202e\u200b\x00") & set(text)


def rewritten(folder: Path, out: Path) -> None:
    """The run with every token of pairs and text replaced by a hostile one, and a model of such a name."""
    from congruence.run import load_run
    from congruence.run.publish import publish_run
    from congruence.run.stored import load_cell
    from congruence.storage.memo import Memo, arrays_in

    shutil.copytree(folder, out, symlinks=True, ignore=shutil.ignore_patterns("generations", "current"))
    run = load_run(folder)
    cells = [load_cell(folder / "cells" / name) for name in run.info["uses"]["cells"]]
    tokens = {f"top_tokens_{side}": [HOSTILE] for side in ("a", "b")}
    odd = [
        replace(cell, pairs=cell.matches.assign(**{k: v * len(cell.matches) for k, v in tokens.items()}))
        for cell in cells
        if cell is not None and cell.summary
    ]
    known = folder / "activations" / "known"
    told = run.info["evidence"]
    text = dict(arrays_in(known / f"{told['text']}.json"))
    strings = [HOSTILE[i % len(HOSTILE)].encode("utf-8") for i in range(len(text["string_offsets"]) - 1)]
    text["strings"] = np.frombuffer(b"".join(strings), dtype=np.uint8)
    text["string_offsets"] = np.append(0, np.cumsum([len(one) for one in strings])).astype(np.int64)
    memo = Memo(out / "activations" / "known")
    memo.arrays("evidence-text", ["hostile"], lambda: text)
    sides = {side: about | {"name": HOSTILE[0]} for side, about in run.info["sides"].items()}
    record = run.info | {"sides": sides, "evidence": told | {"text": memo.name("evidence-text", ["hostile"])}}
    publish_run(out, odd, {name: value for name, value in record.items() if name not in SEAL})


def test_a_run_that_changes_meanwhile_and_one_without_its_activations(
    browser: Any, folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder, run, symlinks=True)
    (gone,) = (run / "generations").iterdir()
    with served(run) as address:
        seen = opened(browser, f"{address}/?token={TOKEN}")
        page = seen.page
        page.wait_for_selector("#matches tbody tr")
        with (run / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another start writes into the folder
            shutil.copytree(gone, run / "generations" / "another")
            (run / "current").unlink()
            (run / "current").symlink_to("generations/another")
            shutil.rmtree(run / "activations")
            page.locator("[data-at='0,1']").click()
            page.wait_for_selector("#cell svg")
            page.locator("#matches a").first.click()
            page.wait_for_selector("#pair .tiles")
            assert "No contexts are stored with this run" in page.locator("#pair").inner_text()
        shutil.rmtree(gone)
        page.goto(f"{address}/?token={TOKEN}#/cell/2/2")
        page.reload()
        page.wait_for_selector("#cell .caveat")
        assert "run.json" in page.locator("#cell .caveat").first.inner_text()
        seen.context.close()


def test_runs_that_are_not_finished_or_newer_are_refused_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from congruence.cli.main import main
    from congruence.run.results import KIND, load_run
    from congruence.storage import write_artefact

    (tmp_path / "half").mkdir()
    shutil.copytree(folder / "cells", tmp_path / "half" / "cells")
    newer = tmp_path / "newer"
    shutil.copytree(folder, newer, symlinks=True, ignore=shutil.ignore_patterns("activations", "cells"))
    told = load_run(newer).info
    record = {name: value for name, value in told.items() if name not in SEAL}
    write_artefact(newer / "current" / "run.json", KIND, 99, record, files=told["files"])
    for run, why in (("half", "run.json doesn't exist"), ("newer", "newer than this congruence reads")):
        with pytest.raises(SystemExit) as ended:
            main(["explore", str(tmp_path / run)])
        said = capsys.readouterr().err.strip()
        assert (ended.value.code, "\n" in said, why in said) == (2, False, True)
