"""A pair of features as a person meets it in Python: its numbers, and the text on which either fires."""

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from congruence.display import shown
from congruence.view.answers import Answers
from congruence.view.cells import CellKey
from congruence.wording import format_score

if TYPE_CHECKING:
    from congruence.run.results import Run

GROUPS = {
    "top_a": "strongest for a",
    "top_b": "strongest for b",
    "only_a": "only a fires",
    "only_b": "only b fires",
}
_IN_A_LINE, _IN_A_PAGE = 1, 4
"""Contexts of each group that a terminal and a notebook show."""
_answers: "WeakKeyDictionary[Run, Answers]" = WeakKeyDictionary()


class Pair(dict[str, Any]):
    """Two matched features: a mapping that a terminal shows in lines and a notebook with its text shaded.

    Keys: the columns of the match, ``rank``, ``others_a``, ``others_b``; ``a`` and ``b``, what is known of
    each feature (firings, rate, max, histogram, neighbours, and with ``function: logit_weights`` the tokens
    ``promoted`` most, else None); ``counts`` of tokens on which ``both``,
    ``only_a`` or ``only_b`` fires; ``shared``: how much of each feature's activation lies where both fire;
    ``contexts``: for ``top_a``, ``top_b``, ``only_a`` and ``only_b`` a list
    of windows of text, each with ``tokens``, the activations ``a`` and ``b`` on them, and ``peak``, the place
    of the token that it is for. It is None where the run keeps no text, and ``contexts_words`` says so.

    Args:
        known: the keys.
        title: of the two features.
    """

    def __init__(self, known: Mapping[str, Any], title: str) -> None:
        super().__init__(known)
        self.title = title

    def __repr__(self) -> str:
        lines = [f"Pair({self.title}: {self._numbers()})", *(f"  {one}" for one in self._promoted())]
        for group, words in GROUPS.items():
            lines += [
                f"  {words}: {_line(one)}{self._strength(one)}" for one in self._contexts(group, _IN_A_LINE)
            ]
        return "\n".join(lines if self["contexts"] is not None else [*lines, f"  {self['contexts_words']}"])

    def _repr_html_(self) -> str:
        """The numbers, and each context with tokens shaded above by a and below by b."""
        parts = [f"<div><strong>{shown(self.title)}</strong><br>{shown(self._numbers())}"]
        parts += [f"<br>{shown(one)}" for one in self._promoted()]
        most = {side: self[side]["max"] or 0.0 for side in ("a", "b")}
        for group, words in GROUPS.items():
            if found := self._contexts(group, _IN_A_PAGE):
                parts.append(f"<p><em>{words}</em></p>")
                parts += [
                    f'<p dir="auto">{_shaded(one, most)}<small>{self._strength(one)}</small></p>'
                    for one in found
                ]
        if self["contexts"] is None:
            parts.append(f"<p>{shown(self['contexts_words'])}</p>")
        return "".join([*parts, "</div>"])

    def _numbers(self) -> str:
        counts, kept = self["counts"], self["kept"]
        verdict = "kept" if kept else f"dropped by {self['removed_by']}"
        return (
            f"r {format_score(float(self['r']))}, rank {self['rank']}, {verdict}; on {counts['both']:,} "
            f"tokens both fire, on {counts['only_a']:,} only a{self._alone('a')}, "
            f"on {counts['only_b']:,} only b{self._alone('b')}"
        )

    def _promoted(self) -> list[str]:
        """The tokens that either feature makes more likely, a line a side."""
        told = {side: self[side]["promoted"] for side in ("a", "b")}
        return [
            f"{side} promotes {' '.join(f'«{_on_one_line(token)}»' for token in tokens) or 'no token'}"
            for side, tokens in told.items()
            if tokens is not None
        ]

    def _strength(self, context: Mapping[str, Any]) -> str:
        """Activations on a context's token, of the largest of each feature."""
        at = [(side, context[side][context["peak"]], self[side]["max"] or 0.0) for side in ("a", "b")]
        told = ", ".join(f"{side} {value / most:.0%}" for side, value, most in at if value > 0 and most > 0)
        return f" [{told}]" if told else ""

    def _alone(self, side: str) -> str:
        """How much of a feature's activation the tokens hold on which it fires alone."""
        shared = self["shared"][side]
        return "" if shared is None else f" ({1 - shared:.0%} of its activation)"

    def _contexts(self, group: str, most: int) -> list[dict[str, Any]]:
        return [] if self["contexts"] is None else self["contexts"][group][:most]


def pair_of(run: "Run", row: Mapping[str, Any], layer_a: int, layer_b: int) -> Pair:
    """A match of a run with its evidence.

    Args:
        run: which holds it.
        row: the match, as `Run.pair` gives it.
        layer_a, layer_b: where it is.
    """
    answers = _answers.setdefault(run, Answers(run))
    feature_a, feature_b = int(row["feature_a"]), int(row["feature_b"])
    found = answers.pair(CellKey("none", "", int(layer_a), int(layer_b)), feature_a, feature_b)
    known = {
        name: found[name] for name in ("a", "b", "contexts", "contexts_words", "counts", "shared", "joint")
    }
    title = " × ".join(
        f"{run.side_name(side)} layer {layer} feature {feature}"
        for side, layer, feature in (("a", layer_a, feature_a), ("b", layer_b, feature_b))
    )
    return Pair({**row, **known}, title)


def _line(context: Mapping[str, Any]) -> str:
    """A context on one line, its token in «»."""
    tokens, peak = context["tokens"], context["peak"]
    marked = [f"«{token}»" if place == peak else token for place, token in enumerate(tokens)]
    return _on_one_line("".join(marked))


def _on_one_line(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _shaded(context: Mapping[str, Any], most: Mapping[str, float]) -> str:
    spans = []
    for place, token in enumerate(context["tokens"]):
        shades = [_shade(context[side][place], most[side]) for side in ("a", "b")]
        line = ";border-bottom:2px solid" if place == context["peak"] else ""
        style = f"background:linear-gradient({_stripes(shades)}){line}" if any(shades) or line else ""
        spans.append(
            f'<bdi style="{style}">{html.escape(_on_one_line(token))}</bdi>'
            if style
            else f"<bdi>{shown(token)}</bdi>"
        )
    return "".join(spans)


def _shade(value: float, most: float) -> float:
    return round(0.6 * min(max(value / most, 0.0), 1.0), 2) if most > 0 else 0.0


def _stripes(shades: Sequence[float]) -> str:
    upper, lower = (
        f"rgba({colour},{shade})" for colour, shade in zip(("31,92,156", "214,110,20"), shades, strict=True)
    )
    return f"{upper} 50%,{lower} 50%"
