"""Make the son2025 lists of the package from the keyword lists beside this file.

    python concepts-data/make_son2025.py

Three lists of each concept are intersected, ambiguous and shared keywords go, and WordNet's direct hyponyms
come, as `congruence concepts build` does. Then comes the check by hand: of the hyponyms only those in
kept_hyponyms.yaml stay, the others being rare, abusive or seldom of the concept in running text.
"""

from dataclasses import replace
from pathlib import Path

import yaml

from congruence.concepts import (
    BuildOptions,
    Concept,
    KeywordList,
    build_concepts,
    load_wordnet,
    read_concepts,
    write_concepts,
)

HERE = Path(__file__).resolve().parent / "son2025"
ASSETS = Path(__file__).resolve().parent.parent / "src" / "congruence" / "assets" / "concepts"
LISTS = ("first", "second", "third")
REASON = "checked by hand: rare, abusive, or seldom of the concept in running text"
SOURCE = "built after Son et al. 2025 (arXiv 2507.22918), which prints no lists, and checked by hand"


def main() -> None:
    """Write son2025.json and say how many keywords each concept has after each step."""
    lists: dict[str, list[KeywordList]] = {}
    for name in LISTS:
        for concept in read_concepts(HERE / f"{name}.yaml"):
            source = f"a language model's list, {name} of three"
            lists.setdefault(concept.name, []).append(KeywordList(concept.keywords, source))
    kept = yaml.safe_load((HERE / "kept_hyponyms.yaml").read_text(encoding="utf-8"))
    concepts = [
        _checked(concept, kept.get(concept.name, []))
        for concept in build_concepts(lists, load_wordnet(), BuildOptions())
    ]
    write_concepts(ASSETS / "son2025.json", concepts)
    for concept in concepts:
        added = len(concept.provenance["added"])
        print(f"{concept.name}: {len(concept) - added} keywords and {added} hyponyms")


def _checked(concept: Concept, kept: list[str]) -> Concept:
    """The concept with the hyponyms that were kept; the others stand among the removals."""
    record = concept.provenance
    gone = [entry for entry in record["added"] if entry["keyword"] not in kept]
    removals = [
        {"keyword": entry["keyword"], "reason": f"below {entry['parent']!r}: {REASON}", "stage": "hand"}
        for entry in gone
    ]
    names = {entry["keyword"] for entry in gone}
    provenance = {
        **record,
        "removed": [*record["removed"], *removals],
        "added": [entry for entry in record["added"] if entry["keyword"] in kept],
    }
    keywords = tuple(keyword for keyword in concept.keywords if keyword not in names)
    return replace(concept, keywords=keywords, source=SOURCE, provenance=provenance)


if __name__ == "__main__":
    main()
