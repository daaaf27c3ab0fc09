"""The one HTML page of the server: the answer, and the element that the front end fills."""

from html import escape
from importlib.resources import files
from typing import Any

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{names}: congruence explore</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/report.css">
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
</head>
<body>
<div class="page">
<header><p class="over">congruence explore</p><h1>{names}</h1></header>
<main>
<section id="answer"><h2>{claim}</h2><p>{sentences}</p></section>
<div id="congruence-app"><noscript>This page needs JavaScript.</noscript></div>
</main>
</div>
</body>
</html>
"""


def shell(overview: dict[str, Any]) -> bytes:
    """The page around the front end; names and sentences are text, whatever they hold."""
    names = " × ".join(visible(overview["sides"][side]["name"]) for side in ("a", "b"))
    sentences = " ".join(overview["sentences"])
    text = _PAGE.format(
        names=escape(names), claim=escape(visible(overview["claim"])), sentences=escape(visible(sentences))
    )
    return text.encode("utf-8", "replace")


def visible(text: str) -> str:
    """Control and direction marks as their code points, so that they are shown and not obeyed.

    >>> visible("a\\u202eb")
    'a⟨U+202E⟩b'
    """
    return "".join(c if c.isprintable() else f"⟨U+{ord(c):04X}⟩" for c in text)


def page_files() -> dict[str, bytes]:
    """The built front end and the report's rules by name, read once: no address can name another file."""
    package = files("congruence")
    found = {"report.css": (package / "report" / "templates" / "report.css").read_bytes()}
    folder = package / "assets" / "page"
    if folder.is_dir():
        found |= {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    return found
