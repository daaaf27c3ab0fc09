"""The published code's own ways, by name: what each does, where it stands, the options it comes down to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from congruence.errors import ConfigError, unknown_name

TOKEN_FILTERS = ("non_concept", "random_tokens", "shared_token", "one_to_one")
"""Filters that the published code has; the others are thresholds."""
STORED_DRAWS = {"one_to_one": 20, "many_to_one": 1, "concepts": 1000}
"""Null scores behind the grids and tables that Lan et al. 2024 stored, of Pythia."""
STORED_DRAWS_GEMMA = {"one_to_one": 10, "many_to_one": 10, "concepts": 1000}
"""The same of Gemma."""

Paper = Literal["lan2024", "son2025"]


@dataclass(frozen=True)
class Quirk:
    """One way of the published code.

    Attributes:
        name: as `quirks:` of a configuration names it.
        meaning: what it does, in a line.
        where: where it stands in the papers' code, and what is right.
        apply: (configuration) -> the same with the options that the quirk comes down to.
    """

    name: str
    meaning: str
    where: str
    apply: Callable[[Any], Any]


QUIRKS: dict[str, Quirk] = {}
"""Every quirk by name, in the order of the pipeline."""


def _quirk(meaning: str, where: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    def register(apply: Callable[[Any], Any]) -> Callable[[Any], Any]:
        name = apply.__name__
        QUIRKS[name] = Quirk(name, meaning, where, apply)
        return apply

    return register


def known_quirks(names: Sequence[str]) -> list[str]:
    """The names, if each is a quirk.

    Raises:
        ConfigError: one isn't; the message names those that are.
    """
    for name in names:
        if name not in QUIRKS:
            raise ConfigError(unknown_name("quirk", name, QUIRKS))
    return list(names)


def with_quirks(config: Any) -> Any:
    """A run's configuration with the options that its quirks come down to; the same where it names none.

    A quirk is stronger than what the configuration says of its option. Doing it twice changes nothing.

    Args:
        config: a `RunConfig`.
    """
    for name, quirk in QUIRKS.items():
        if name in config.quirks:
            config = quirk.apply(config)
    return config


def as_published(paper: Paper = "lan2024", *, topk: bool = True, gemma: bool = False) -> list[str]:
    """The quirks behind a paper's numbers.

    Args:
        paper: ``lan2024`` or ``son2025``, whose scores follow the same code (its nulls obey the same law).
        topk: whether the SAEs are TopK SAEs of sparsify, such as Pythia's: only those were read without
            their TopK step.
        gemma: whether these are Gemma's grids, whose SAEs were read whole and whose notebooks hold other
            numbers of draws.

    Raises:
        ConfigError: another paper.

    >>> "relu_pre_activations" in as_published("lan2024", topk=False)
    False
    >>> [name for name in as_published("lan2024", gemma=True) if "draws" in name]
    ['draws_as_stored_gemma']
    """
    if paper not in ("lan2024", "son2025"):
        raise ConfigError(unknown_name("paper", paper, ("lan2024", "son2025")))
    left_out = {"relu_pre_activations"} if gemma or not topk or paper == "son2025" else set()
    left_out |= {"draws_as_stored"} if gemma or paper == "son2025" else set()
    left_out |= set() if gemma and paper == "lan2024" else {"draws_as_stored_gemma"}
    return [name for name in QUIRKS if name not in left_out]


def as_published_line(names: Sequence[str]) -> str:
    """What results say of the quirks they were made with; "" without any.

    >>> as_published_line(["keep_first"])
    'as published: keep_first'
    """
    return f"as published: {', '.join(names)}" if names else ""


def _changed(section: Any, **values: Any) -> Any:
    return section.model_copy(update=values)


def _sides(config: Any, chosen: Callable[[Any], bool], **values: Any) -> Any:
    """Changed on those sides whose features are an SAE's and of which `chosen` is true."""
    sides = {name: getattr(config, name) for name in ("a", "b")}
    update = {n: _changed(s, **values) for n, s in sides.items() if s.features == "sae" and chosen(s)}
    return _changed(config, **update)


def _of_concepts(config: Any, **values: Any) -> Any:
    return _changed(config, concepts=_changed(config.concepts, **values)) if config.concepts else config


def _name(step: Any) -> str:
    return step if isinstance(step, str) else next(iter(step))


@_quirk(
    "padding, BOS and attention sinks are tokens like others",
    "the code masks nothing; right: only text counts (corpus.mask_special: true, sinks: mask)",
)
def unmasked_tokens(config: Any) -> Any:
    return _changed(config, corpus=_changed(config.corpus, mask_special=False, sinks="keep"))


@_quirk(
    "the SAE of block i reads hidden_states[i], the block's input",
    "the code indexes hidden_states by the SAE's layer; right: the block's output (hook_offset: 0)",
)
def hidden_states_before(config: Any) -> Any:
    return _sides(config, lambda side: side.hook == "resid_post", hook_offset=-1)


@_quirk(
    "features are relu(encoder), without the TopK step",
    "sparsify's SAEs of Pythia are read by pre_acts; right: what the SAE encodes (activations: encode)",
)
def relu_pre_activations(config: Any) -> Any:
    return _sides(config, lambda side: True, activations="pre_activation")


@_quirk(
    "z-scores by n - 1 are divided by n: every r is (n - 1)/n of itself",
    "the code's correlation: std() of torch, then / n; right: Pearson's r (pairing.over_n: false)",
)
def ddof(config: Any) -> Any:
    return _changed(config, pairing=_changed(config.pairing, over_n=True))


@_quirk(
    "features that never fire correlate 0 with all and are paired too, with the first of the other side",
    "deviation 0 + 1e-8, then the largest of equal r; right: they have no partner "
    "(pairing.constant_features: false)",
)
def constant_features(config: Any) -> Any:
    asked = config.pairing.method in ("many_to_one", "one_to_one")
    able = asked and not (config.pairing.split or config.pairing.null_draws)
    return _changed(config, pairing=_changed(config.pairing, constant_features=able))


@_quirk(
    "lists of top tokens are filled with tokens on which the feature is silent",
    "topk over all tokens, zeros included; right: a feature that fires on fewer has a shorter list "
    "(fill_top_tokens: false)",
)
def filled_top_tokens(config: Any) -> Any:
    return _changed(config, fill_top_tokens=True)


@_quirk(
    "of the pairs that share a feature, the first by index stays",
    "the 1-to-1 filter keeps what comes first; right: the best-correlated (keep: best)",
)
def keep_first(config: Any) -> Any:
    filters = [{"one_to_one": {"keep": "first"}} if _name(f) == "one_to_one" else f for f in config.filters]
    kept = {"keep": "first"} if config.pairing.keep else {}
    config = _changed(config, filters=filters, pairing=_changed(config.pairing, **kept))
    inside = _changed(config.concepts.pairing, keep="first") if config.concepts else None
    return _of_concepts(config, pairing=inside)


@_quirk(
    "r > 0.1 is the only threshold: nothing asks how often features fire together",
    "the code's last filter, in neither paper; right: co-firings as well (min_cofirings: 5)",
)
def min_r_only(config: Any) -> Any:
    kept = [step for step in config.filters if _name(step) in TOKEN_FILTERS]
    filters = [*kept, {"min_r": 0.1}] if config.filters else []
    return _changed(config, filters=filters, pairing=_changed(config.pairing, min_cofirings=0))


@_quirk(
    '"SVCCA" keeps one component of each side: it is pc1_correlation',
    "the code compares a normalised variance with 0.99 of one that isn't; right: svcca, where n allows it",
)
def one_component_svcca(config: Any) -> Any:
    config = _changed(config, measures=_one_component(config.measures))
    return (
        _of_concepts(config, measures=_one_component(config.concepts.measures)) if config.concepts else config
    )


def _one_component(measures: Sequence[Any]) -> list[Any]:
    renamed = ["pc1_correlation" if _name(step) == "svcca" else step for step in measures]
    return [step for number, step in enumerate(renamed) if step not in renamed[:number]]


@_quirk(
    "p is the share of null scores that reach the score, so it can be 0",
    "mean(null >= score); right: (1 + how many) / (1 + draws) (null.plus_one: true)",
)
def p_without_plus_one(config: Any) -> Any:
    return _changed(config, null=_changed(config.null, plus_one=False))


@_quirk(
    "null scores as few as are stored: 20 for 1-to-1 grids, 1 for many-to-1, 1,000 for concepts, at most",
    "what the notebooks stored, though the text says 100; right: 1,000 (null.draws)",
)
def draws_as_stored(config: Any) -> Any:
    return _drawn(config, STORED_DRAWS)


@_quirk(
    "null scores as few as Gemma's notebooks hold: 10 for either grid, 1,000 for concepts, at most",
    "what the notebooks stored, though the text says 100; right: 1,000 (null.draws)",
)
def draws_as_stored_gemma(config: Any) -> Any:
    return _drawn(config, STORED_DRAWS_GEMMA)


def _drawn(config: Any, stored: Mapping[str, int]) -> Any:
    """With no more null scores than were stored."""
    drawn = config.null.draws
    if config.concepts:
        most = config.concepts.draws or drawn
        config = _of_concepts(config, draws=min(most, stored["concepts"]))
    one_to_one = config.pairing.keep or any(_name(step) == "one_to_one" for step in config.filters)
    kind = "one_to_one" if one_to_one else "many_to_one"
    return _changed(config, null=_changed(config.null, draws=min(drawn, stored[kind])))


@_quirk(
    "only tokens that are a whole keyword count, not those that are a piece of one",
    "top tokens are compared with keywords as they are; right: keywords of several tokens count "
    "(concepts.pieces: true)",
)
def whole_token_keywords(config: Any) -> Any:
    return _of_concepts(config, pieces=False)


@_quirk(
    "a multi-token subspace is every feature that is active on the phrases",
    "Son et al. 2025, as their nulls imply; right: those whose top tokens lie in phrases (members: phrase)",
)
def multi_token_by_activity(config: Any) -> Any:
    shown = config.concepts.multi_token if config.concepts else []
    sections = [_changed(section, members="active") for section in shown]
    return _of_concepts(config, multi_token=sections)
