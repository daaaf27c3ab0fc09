"""The report: self-contained, escaped, complete and honest."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from planted_run import NASTY_TOKENS, write_planted_run

from congruence.report import write_report
from congruence.view.numbers import visible

VOID = {"meta", "link", "br", "img", "hr", "input", "col"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; refuses tags that don't close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


OURS = [{"type": "application/json", "id": "congruence-data"}, {}]
"""The data and the front end."""


def scripts(page: Page) -> list[dict[str, str | None]]:
    return [attributes for tag, attributes in page.tags if tag == "script"]


def page_of(folder: Path) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(planted: Path) -> Page:
    return page_of(planted)


def test_nothing_is_fetched_from_anywhere(page: Page) -> None:
    assert not {"iframe", "object", "embed", "form"} & {tag for tag, _ in page.tags}
    assert scripts(page) == OURS
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "action"):
            target = attributes.get(name) or ""
            assert "//" not in target, (tag, target)
    styles = [attributes.get("style") or "" for _, attributes in page.tags]
    assert "url(" not in "".join(styles)
    policy = next(a for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    directives = dict(part.split(" ", 1) for part in (policy["content"] or "").split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"].startswith("'sha256-")
    assert directives["style-src-elem"].startswith("'sha256-")


def test_tokens_are_escaped_and_visible(page: Page) -> None:
    for token in NASTY_TOKENS:
        assert visible(token) in page.texts, token
    assert "\u202e" not in page.text


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "\"'><script>", "日本", "{{ 7 * 7 }}"])
def test_names_are_escaped(tmp_path: Path, name: str) -> None:
    page = page_of(write_planted_run(tmp_path / "run", names=(name, "b"), measures=("rsa", "<u>")))
    assert not {"img", "u"} & {tag for tag, _ in page.tags}
    assert scripts(page) == OURS
    assert name in page.text


def test_it_answers(page: Page) -> None:
    for words in ("finds the right partner for 5", "The ceiling is", "p = 0.001", "18 of 19 layer pairs"):
        assert words in page.text


def test_it_says_which_measure_the_papers_call_svcca(page: Page) -> None:
    assert "what the published tables call SVCCA" in page.text


def test_every_heat_map_is_a_table_with_headings(page: Page) -> None:
    tables = [a for tag, a in page.tags if tag == "table" and a.get("class") == "heat"]
    assert len(tables) == 4 * 4 + 4 + 1
    assert sum(tag == "caption" for tag, _ in page.tags) >= len(tables)
    regions = [a for _, a in page.tags if a.get("role") == "region"]
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in regions)


def test_filters_config_versions_and_command_are_there(page: Page) -> None:
    for words in ("shared_token", "0.0-planted", "draws: 1000", "congruence run config.yaml --out run"):
        assert words in page.text


def test_links_name_figures_that_exist(tmp_path: Path) -> None:
    from congruence.report import write_figures

    folder = write_planted_run(tmp_path / "run", layers_a=(0,), layers_b=(0, 1), measures=("rsa",))
    assert not [
        a for tag, a in page_of(folder).tags if tag == "a" and (a["href"] or "").startswith("figures")
    ]
    write_figures(folder)
    links = [a["href"] for tag, a in page_of(folder).tags if tag == "a" and (a["href"] or "")[0] != "#"]
    assert links
    assert all((folder / str(link)).is_file() for link in links)


def test_section_links_have_targets_and_ids_are_unique(page: Page) -> None:
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for tag, a in page.tags if tag == "a" and (a["href"] or "")[0] == "#"} <= {
        f"#{i}" for i in ids
    }


def test_a_run_without_a_finding_says_so(tmp_path: Path) -> None:
    text = page_of(write_planted_run(tmp_path / "run", signal=0.0)).text
    assert "No layer pair is above chance after correction" in text
    assert "no evidence" in text


def test_a_run_without_a_score_says_why(tmp_path: Path) -> None:
    folder = write_planted_run(
        tmp_path / "run", layers_a=(1,), layers_b=(2,), missing=[(1, 2)], ceiling=False
    )
    text = page_of(folder).text
    assert "No layer pair could be scored: 2 pairs are too few" in text


def test_concepts_get_their_section(tmp_path: Path) -> None:
    page = page_of(write_planted_run(tmp_path / "run", concepts=("Time", "Emo<b>tions"), measures=("rsa",)))
    assert "Concept subspaces" in page.text
    assert "Emo<b>tions" in page.text


def test_warnings_that_differ_in_numbers_only_are_one(tmp_path: Path) -> None:
    import pandas as pd

    folder = write_planted_run(tmp_path / "run", measures=("rsa",))
    table = pd.read_parquet(folder / "results.parquet")
    table["warnings"] = [[f"n={i} is below {2 * i + 1.5}"] for i in range(len(table))]
    table.to_parquet(folder / "results.parquet")
    assert f"{len(table)} scores, such as: n=0 is below 1.5" in page_of(folder).text


def test_figures_report_and_summary_need_no_torch(planted: Path) -> None:
    code = (
        "import sys; from congruence.report import *; from rich.console import Console\n"
        f"write_report({str(planted)!r}); Console().print(summary({str(planted)!r}))\n"
        "assert not {'torch', 'transformers', 'matplotlib'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("token", "shown"),
    [("\n", "⏎"), ("a b", "a␣b"), ("\x00", "\\x00"), ("x" * 99, "x" * 31 + "…"), ("\ud800", "\\ud800")],
)
def test_visible_tokens(token: str, shown: str) -> None:
    assert visible(token) == shown
