"""What each step of building a keyword list does to the number of pairs and the scores of its concept.

    python concepts-data/list_steps.py runs/list-steps [--page docs/concepts.md]

The son2025 lists after each step, on the embedded demo; concepts alone are computed anew from step to step.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from congruence.concepts import (
    BuildOptions,
    Concept,
    KeywordList,
    ambiguity,
    build_concepts,
    builtin_concepts,
    load_wordnet,
    read_concepts,
)
from congruence.recipes import demo
from congruence.run import Run, compare

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "demo"))
from tables import insert, table

HERE = Path(__file__).resolve().parent / "son2025"
AGREED = BuildOptions(remove_ambiguous=False, remove_shared=False, depth=0)
DRAWS = 199
HEAD = ["list", "keywords", "subspaces scored", "pairs", "RSA", "RSA where all are scored", "p ≤ .05"]


@dataclass(frozen=True)
class Step:
    """One state of the lists, and how they are matched."""

    name: str
    lists: Mapping[str, list[str]]
    pieces: bool = True


def steps() -> list[Step]:
    """The lists after each step of their making, and the published ones."""
    wordnet = load_wordnet()
    lists: dict[str, list[KeywordList]] = {}
    for name in ("first", "second", "third"):
        for concept in read_concepts(HERE / f"{name}.yaml"):
            lists.setdefault(concept.name, []).append(KeywordList(concept.keywords, name))

    def built(**options: object) -> dict[str, list[str]]:
        return _keywords(build_concepts(lists, wordnet, replace(AGREED, **options)))  # pyright: ignore

    unshared = built(remove_shared=True)
    by_word = {
        name: [keyword for keyword in keywords if ambiguity(keyword, wordnet) is None]
        for name, keywords in unshared.items()
    }
    son = _keywords(builtin_concepts("son2025").values())
    return [
        Step("three lists intersected", built()),
        Step("without keywords of two concepts", unshared),
        Step("without ambiguous ones, word by word (not used)", by_word),
        Step("without ambiguous ones, the list in view", built(remove_shared=True, remove_ambiguous=True)),
        Step("with all direct hyponyms", built(remove_shared=True, remove_ambiguous=True, depth=1)),
        Step("with hyponyms checked by hand: `son2025`", son),
        Step("`son2025`, whole tokens only", son, pieces=False),
        Step("`lan2024`, as published", _keywords(builtin_concepts().values())),
        Step("`lan2024`, whole tokens only", _keywords(builtin_concepts().values()), pieces=False),
    ]


def _keywords(concepts: object) -> dict[str, list[str]]:
    found: list[Concept] = list(concepts)  # pyright: ignore
    return {concept.name: list(concept.keywords) for concept in found}


def scores(step: Step, out: Path) -> Run:
    """The demo with these lists."""
    section = {
        "lists": [{name: keywords} for name, keywords in step.lists.items()],
        "pieces": step.pieces, "nulls": ["pairing"], "measures": ["rsa"], "keyword_effects": 0,
        "draws": DRAWS,
    }  # fmt: skip
    raw = demo().model_dump(by_alias=True, mode="json", exclude_defaults=True) | {"concepts": section}
    return compare(raw, out=out)


def rows(out: Path) -> list[list[str]]:
    """A row a step."""
    found = []
    for step in steps():
        run = scores(step, out)
        results = run.results
        chosen = results[
            (results.subspace == "semantic") & (results.control == "none") & results.value.notna()
        ]
        found.append((step, chosen.set_index(["concept", "layer_a", "layer_b"]), len(run.real_cells)))
    common = set.intersection(*(set(scored.index) for _, scored, _ in found))
    lines = []
    for step, scored, cells in found:
        keywords = sum(map(len, step.lists.values()))
        shared = scored.value[scored.index.isin(common)].mean()
        of_all = f"{len(scored)} of {cells * len(step.lists)}"
        numbers = [f"{scored.n.mean():.1f}", f"{scored.value.mean():.3f}", f"{shared:.3f}"]
        lines.append([step.name, f"{keywords:,}", of_all, *numbers, str(int((scored.p <= 0.05).sum()))])
    lines[0][5] += f" ({len(common)})"
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--page", type=Path, help="put the table between its marks of this page")
    given = parser.parse_args()
    found = table(HEAD, rows(given.out))
    print(found)
    if given.page:
        given.page.write_text(
            insert(given.page.read_text(encoding="utf-8"), "list-steps", found), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
