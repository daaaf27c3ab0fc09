"""Scores and commands as they are written in sentences, pictures and tables."""

import math


def install(extra: str) -> str:
    """The command that adds an extra, to stand in a message: the package is installed from a checkout.

    >>> install("train")
    "pip install '.[train]' in the checkout of congruence"
    """
    return f"pip install '.[{extra}]' in the checkout of congruence"


def format_score(value: float, decimals: int | None = None) -> str:
    """A score or correlation: two decimals, three where it is below 0.1.

    >>> format_score(0.4321), format_score(0.0042), format_score(float("nan"))
    ('0.43', '0.004', '–')
    """
    if not math.isfinite(value):
        return "–"
    if decimals is None:
        decimals = 2 if abs(value) >= 0.0995 else 3
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def percent(value: float) -> str:
    """A share in words.

    >>> percent(0.434), percent(0.0042)
    ('43%', '0.4%')
    """
    if not math.isfinite(value):
        return "–"
    return f"{100 * value:.0f}%" if abs(value) >= 0.0995 else f"{100 * value:.1f}%"
