"""The page's script, style and data inside one file, and the policy that forbids everything else."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

BUNDLE = ("assets", "page")
"""Where the built front end lies in the package; its sources are in frontend/."""


@dataclass(frozen=True)
class Inline:
    """What a self-contained page holds.

    Attributes:
        script: the front end.
        style: every rule of the page.
        data: JSON that can stand inside a script element.
        policy: Content-Security-Policy under which only this script and these rules apply and nothing at all
            is fetched.
    """

    script: str
    style: str
    data: str
    policy: str


def inline(rules: str, data: str) -> Inline:
    """Put the front end, the rules of the page's own tables and the data of a run together.

    Args:
        rules: CSS of what is written without the front end.
        data: what the front end reads, as JSON in ASCII.
    """
    script, style = bundled("page.js"), f"{rules}\n{bundled('page.css')}"
    return Inline(script, style, in_html(data), policy(script, style))


@cache
def bundled(name: str) -> str:
    """One file of the built front end."""
    return resources.files("congruence").joinpath(*BUNDLE, name).read_text(encoding="utf-8")


def in_html(json_text: str) -> str:
    """JSON in ASCII that no text inside it can end early: ``<``, ``>`` and ``&`` are escaped."""
    return json_text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def policy(script: str, style: str) -> str:
    """Only this script and this style sheet; no request of any kind.

    Style attributes are allowed: with ``default-src 'none'`` a rule can't fetch anything, and where a mark
    stands on a line is written as one.
    """
    return "; ".join((
        "default-src 'none'", f"script-src '{_sha256(script)}'", f"style-src-elem '{_sha256(style)}'",
        "style-src-attr 'unsafe-inline'", "img-src data:", "base-uri 'none'", "form-action 'none'",
    ))  # fmt: skip


def still_policy(style: str) -> str:
    """Of a page without scripts: this style sheet and the pictures inside the page, and no request."""
    return "; ".join((
        "default-src 'none'", f"style-src-elem '{_sha256(style)}'", "style-src-attr 'unsafe-inline'",
        "img-src data:", "base-uri 'none'", "form-action 'none'",
    ))  # fmt: skip


def _sha256(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
