"""What README and docs show can be run: configurations parse, Python runs, links lead somewhere."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from congruence.config.parsing import parse_any
from congruence.config.run import RunConfig
from congruence.config.steps import filter_steps, measures_of
from quick_first import quick_first

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


@dataclass(frozen=True)
class Block:
    """Python on a page.

    Attributes:
        text: the block, moved down to its line of the page, so that an error names that line.
        why_not: why it isn't run, as `<!-- not run: … -->` before it says; "" where it is.
    """

    text: str
    why_not: str


def python_of(page: Path) -> list[Block]:
    """The Python blocks of a page, in order."""
    text = page.read_text()
    found = re.finditer(r"(?:^<!-- not run: (.*) -->\n)?^```python\n(.*?)^```", text, re.M | re.S)
    return [Block("\n" * text[: m.start(2)].count("\n") + m[2], m[1] or "") for m in found]


FIRST = ("README.md", "results.md")
PAGES_WITH_PYTHON = sorted(filter(python_of, PAGES), key=lambda page: page.name not in FIRST)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Three layer pairs of the embedded models with a control, and the configuration of a smaller run."""
    from congruence.recipes import demo
    from congruence.run import compare

    folder = tmp_path_factory.mktemp("docs")
    config = demo(draws=19).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    for side in "ab":
        del config[side]["other_seed"]
    config["a"]["layers"], config["b"]["layers"] = [2], [3]
    config["corpus"]["documents"] = 24
    (folder / "pythia.yaml").write_text(yaml.safe_dump(config))
    config |= {"controls": ["rerandomized"], "measures": ["translation_accuracy"]}
    compare(config, out=folder / "run", progress=False)
    return folder


@pytest.fixture
def tables():
    """Whatever a page puts on a table is taken off again."""
    from congruence.metrics import METRICS
    from congruence.nulls import NULLS

    before = [(table, dict(table._entries)) for table in (METRICS, NULLS)]
    yield
    for table, entries in before:
        table._entries = entries


@pytest.mark.parametrize(
    "page", quick_first(PAGES_WITH_PYTHON, len(FIRST)), ids=lambda page: str(page.relative_to(ROOT))
)
def test_python_runs(page, finished, tables, tmp_path, monkeypatch):
    """From top to bottom in one namespace, in a folder with what the pages speak of."""
    if page.name == "training-saes.md":
        pytest.importorskip("sae_lens")
    shutil.copy(finished / "pythia.yaml", tmp_path)
    for name in ("run", "congruence-demo"):
        shutil.copytree(finished / "run", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "page"}
    for block in python_of(page):
        code = compile(block.text, str(page), "exec")
        if not block.why_not:
            exec(code, names)


def test_what_is_not_run_says_why():
    """Only what needs the network or a GPU; the list is here so that it doesn't grow unseen."""
    marked = {str(page.relative_to(ROOT)): sum(bool(b.why_not) for b in python_of(page)) for page in PAGES}
    assert {page: count for page, count in marked.items() if count} == {}
    shown = sum(len(python_of(page)) for page in PAGES)
    assert shown == len(blocks("python")) >= 25


@pytest.mark.parametrize("text", blocks("yaml"))
def test_run_configurations_parse(text, tmp_path):
    (tmp_path / "my_measure.py").write_text("def norm_agreement(x, y, *, power: float = 1.0): return 1.0")
    raw = yaml.safe_load(text)
    raw = {"null" if key is None else key: value for key, value in raw.items()}
    if not set(raw) & {"pairing", "filters", "measures", "null", "controls", "concepts"}:
        pytest.skip("not the configuration of a run")
    beside = {"corpus": SIDES["corpus"]} if "models" in raw else SIDES
    found = parse_any({**beside, **raw}, base=tmp_path)
    config = found if isinstance(found, RunConfig) else found.shared
    assert filter_steps(config) is not None
    assert measures_of(config.measures)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
