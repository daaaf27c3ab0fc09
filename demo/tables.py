"""Markdown tables, and putting them between marks of a page."""

import re


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def insert(page: str, name: str, text: str) -> str:
    """Put a table between `<!-- begin NAME -->` and `<!-- end NAME -->`."""
    marks = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
    if not re.search(marks, page, flags=re.DOTALL):
        raise SystemExit(f"the page has no marks for {name}")
    return re.sub(marks, lambda found: f"{found[1]}{text}\n{found[2]}", page, flags=re.DOTALL)
