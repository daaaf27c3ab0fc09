"""What README and docs show can be run: configurations parse, Python compiles, links lead somewhere."""

import re
from pathlib import Path

import pytest
import yaml

from congruence.config.parsing import parse_config
from congruence.config.steps import filter_steps, measures_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SIDES = {
    "a": {"model": "org/a", "saes": "org/saes-a", "other_seed": "org/saes-a-seed1"},
    "b": {"model": "org/b", "saes": "org/saes-b"},
    "corpus": {"path": "text.txt"},
}


def blocks(language: str) -> list:
    """Every fenced block of a language, with the page it stands on."""
    found = []
    for page in PAGES:
        for number, text in enumerate(
            re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)
        ):
            found.append(pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}"))
    return found


@pytest.mark.parametrize("text", blocks("python"))
def test_python_compiles(text):
    lines = [line[4:] for line in text.splitlines() if line.startswith((">>> ", "... "))]
    compile("\n".join(lines) if lines else text, "block", "exec")


@pytest.mark.parametrize("text", blocks("yaml"))
def test_run_configurations_parse(text):
    raw = yaml.safe_load(text)
    raw = {"null" if key is None else key: value for key, value in raw.items()}
    if not set(raw) & {"pairing", "filters", "measures", "null", "controls", "concepts"}:
        pytest.skip("not the configuration of a run")
    config = parse_config({**SIDES, **raw})
    assert filter_steps(config) is not None
    assert measures_of(config.measures)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
