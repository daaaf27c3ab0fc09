"""The page of the study: tables of the summary, and what they say."""

from collections.abc import Mapping

from congruence.synthetic.study.page_measures import chance, power, shares
from congruence.synthetic.study.page_models import dictionaries, function, presence, transfer
from congruence.synthetic.study.page_pairs import best_r, filters, matchers, verdicts
from congruence.synthetic.study.summary import Frame

BEGIN, END = "<!-- measured by: {command} -->", "<!-- end of what was measured -->"


def page_of(summary: Frame, *, command: str, figures: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        summary: as `summary_of` or `read_summary` gives it.
        command: that gave it.
        figures: name of each figure -> where the page finds it.
    """
    title = "# What is recovered of a known truth\n\n"
    return title + measured(summary, command=command, figures=figures)


def measured(summary: Frame, *, command: str, figures: Mapping[str, str]) -> str:
    """The part of the page that numbers decide, between two marks that name the command."""
    sections = [
        matchers,
        filters,
        best_r,
        verdicts,
        presence,
        function,
        shares,
        power,
        chance,
        dictionaries,
        transfer,
    ]
    parts = [BEGIN.format(command=command)]
    for section in sections:
        text = section(summary)
        name = section.__name__
        if text and name in figures:
            text += f"\n\n![{_CAPTIONS[name]}]({figures[name]})"
        parts.append(text)
    return "\n\n".join(part for part in [*parts, END] if part) + "\n"


_CAPTIONS = {
    "matchers": "Precision and recall of every matcher over thresholds of r, in six kinds of worlds",
    "filters": "Share of pairs that are right, and of shared features still found, after each filter alone",
    "function": "Precision and recall over thresholds where half of the partners do something else, and the "
    "share that is said to do the same against the planted one where all fire alike",
    "shares": "Every measure against the planted share: true pairs, found pairs, and the diagonal",
    "power": "Power of every measure to tell 60 % shared from 50 %",
    "chance": "Share of worlds with nothing shared whose p is at most .05, by measure and null",
    "transfer": "A's SAE on B's mapped states over planted shares, with ceiling and nulls",
    "dictionaries": "What is left of the truth with more features than dimensions",
}
