"""Malformed configurations: every field with values of other types and ranges, options, raw YAML."""

import random
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from attempts import INF, NAN, Attempt, Ended, base_config, changed, run_config, run_text
from pydantic import BaseModel

from congruence.config import load_config
from congruence.config.describe import FREE
from congruence.config.run import RunConfig

WORD = "zz?"
HUGE = 10**30
STRANGE = {
    "none": None, "word": WORD, "number": 3, "half": 1.5, "nan": NAN, "inf": INF, "huge": HUGE, "less": -HUGE,
    "true": True, "list": [[]], "mapping": {WORD: [WORD]}, "empty": "", "surrogate": "x\ud800",
    "bell": "x\x07", "bidi": "x\u202ey",
}  # fmt: skip


def kinds_of(annotation: Any) -> set[Any]:
    """Every type that an annotation is made of."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return kinds_of(get_args(annotation)[0])
    if origin is Literal:
        return {Literal}
    found = {origin or annotation}
    for argument in get_args(annotation) if origin not in (dict,) else ():
        found |= kinds_of(argument)
    return found


def is_bad(value: Any, kinds: set[Any], key: str) -> bool:
    """Whether no field of these kinds may take the value, told without the package's own checks."""
    if value is None:
        return type(None) not in kinds
    if isinstance(value, bool):
        return bool not in kinds
    if isinstance(value, float):
        return value != value or value in (INF, -INF) or float not in kinds
    if isinstance(value, int):
        in_range = abs(value) < HUGE and bool(kinds & {int, float})
        return not (in_range or (value == -HUGE and float in kinds and int not in kinds))
    if isinstance(value, str):
        if value == "" or "\ud800" in value:
            return True
        return str not in kinds or (not value.isprintable() and key not in FREE)
    return value == [[]] or dict not in kinds


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, set[Any], bool]]:
    """Every key of a section and of those inside it: its path, its kinds, whether it is a section."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        kinds = kinds_of(field.annotation)
        sections = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if sections and list not in kinds:
            yield path, kinds, True
            yield from leaves(sections[0], f"{path}.")
        else:
            yield path, kinds, False


LONG = "x" * 3000
LONG_VALUES = (
    "a.model", "a.name", "a.saes", "a.saes.path", "a.sae_id", "a.hook", "a.device", "a.revision", "b.other_seed",
    "corpus.path", "corpus.text_column", "corpus.encoding", "measures", "null.kind", "pairing.method", "function",
    "verdicts", "runner", "runner.address", "controls", "concepts", LONG,
)  # fmt: skip
"""Keys under which thousands of letters stand in a configuration."""


def of_long_values() -> Iterator[Attempt]:
    """Values and names of thousands of letters: refused in a line that a terminal can show."""
    for path in LONG_VALUES:
        value = [LONG] if path in ("measures", "function", "controls") else LONG
        yield Attempt("long", path[:20], _run(changed(base_config(), path, value)))


PLACES = (".saes", ".other_seed", ".frozen_decoder")
"""Sections of SAEs."""


def odd_configurations() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Every field with every strange value that it can't take: path, the value's label, key, configuration."""
    for path, kinds, is_section in leaves(RunConfig):
        parent, _, key = path.rpartition(".")
        whole = base_config()
        if parent.endswith(PLACES) and key != "path":  # a section that needs its path
            whole = changed(whole, f"{parent}.path", "somewhere")
        for name, value in STRANGE.items():
            shorthand = (path == "concepts" and isinstance(value, str | dict)) or (
                path == "verdicts" and isinstance(value, bool)
            )
            if not ((is_section and isinstance(value, dict)) or shorthand) and is_bad(value, kinds, key):
                yield path, name, key, changed(whole, path, value)


def of_fields() -> Iterator[Attempt]:
    """Every field of a run's configuration with every strange value that it can't take, and keys misspelt."""
    for path, name, key, config in odd_configurations():
        yield Attempt("field", f"{path}={name}", _run(config), says=(key,))
    for path, _, _ in leaves(RunConfig):
        whole = base_config()
        parent = path.rpartition(".")[0]
        if parent.endswith(PLACES):
            whole = changed(whole, f"{parent}.path", "somewhere")
        yield Attempt("key", f"{path}~", _run(changed(whole, f"{path}x{WORD}", 3)), says=(WORD,))
    yield from of_long_values()


def _run(config: Any) -> Callable[[Path], Ended]:
    return lambda folder: run_config(config, folder)


def _bad_options(kind: Any) -> Iterator[tuple[str, Any]]:
    """Strange values that an option annotated so can't take."""
    kinds = kinds_of(kind)
    for name, value in STRANGE.items():
        if name in {"surrogate", "bell", "bidi"} or (value is None and type(None) in kinds):
            continue
        if tuple in kinds and name in {"number", "huge"}:
            continue
        if value == -HUGE and float in kinds:
            continue
        if value == HUGE and get_args(kind) and "at_least" in repr(get_args(kind)):
            continue
        yield from [(name, value)] if _not_of(value, kinds, kind) else []


def _not_of(value: Any, kinds: set[Any], kind: Any) -> bool:
    if isinstance(value, bool):
        return bool not in kinds
    if isinstance(value, int):
        bounded = get_origin(kind) is Annotated and abs(value) == HUGE and value < 0
        return not kinds & {int, float} or bounded or (float in kinds and value == 3 and _bounded(kind))
    if isinstance(value, float):
        return value != value or value in (INF, -INF) or float not in kinds or _bounded(kind)
    if isinstance(value, str):
        return str not in kinds
    return True


def _bounded(kind: Any) -> bool:
    return "Rule" in repr(kind) and ("share" in repr(kind) or "below 1" in repr(kind))


def of_options() -> Iterator[Attempt]:
    """Every option of every measure, null, matcher, filter and function with values that it can't take."""
    import inspect
    from typing import get_type_hints

    from congruence.filters import FILTERS
    from congruence.matching import MATCHERS
    from congruence.metrics import METRICS
    from congruence.nulls import NULLS
    from congruence.transfer import FUNCTIONS

    base = base_config()

    def places(name: str, option: str) -> dict[str, Callable[[Any], tuple[str, Any]]]:
        return {
            "measure": lambda value: ("measures", [{name: {option: value}}]),
            "null": lambda value: ("null", {"kind": name, option: value}),
            "matcher": lambda value: ("pairing", {"method": name, option: value}),
            "filter": lambda value: ("filters", [{name: {option: value}}]),
            "function": lambda value: ("function", [{name: {option: value}}]),
        }

    def options() -> Iterator[tuple[str, str, dict[str, Any]]]:
        for name in METRICS:
            hints = get_type_hints(METRICS.get(name).measure, include_extras=True)
            yield "measure", name, {f.name: hints[f.name] for f in fields(METRICS.get(name).measure)}
        for name in NULLS:
            hints = get_type_hints(NULLS.get(name), include_extras=True)
            yield "null", name, {f.name: hints[f.name] for f in fields(NULLS.get(name))}  # type: ignore[arg-type]
        for name, settings in FUNCTIONS.items():
            yield "function", name, get_type_hints(settings, include_extras=True)
        for what, table in (("matcher", MATCHERS), ("filter", FILTERS)):
            for name in table:
                own = inspect.signature(table.get(name), eval_str=True).parameters.values()
                yield what, name, {
                    p.name: p.annotation
                    for p in own
                    if p.kind is p.KEYWORD_ONLY
                    and p.name not in ("measure", "min_cofirings", "correlation", "from_", "keep")
                    and name != "non_concept"
                }  # fmt: skip

    for what, name, known in options():
        for option, kind in known.items():
            for label, value in _bad_options(kind):
                key, section = places(name, option)[what](value)
                config = changed(base, key, section)
                yield Attempt(what, f"{name}.{option}={label}", _run(config), says=(name,))
        key, section = places(name, WORD)[what](3)
        yield Attempt(what, f"{name}.{WORD}", _run(changed(base, key, section)), says=(name,))
    for threshold in ("min_r", "min_cofirings", "min_firings", "min_margin"):
        for label, entry in {"bare": threshold, "null": {threshold: None}}.items():
            yield Attempt(
                "filter", f"{threshold} {label}", _run(changed(base, "filters", [entry])), (threshold,)
            )


TOGETHER: dict[str, tuple[str, Any, str]] = {
    "a measure twice": ("measures", ["rsa", "rsa"], "twice"),
    "a measure twice by its default": ("measures", ["rsa", {"rsa": {"rdm": "correlation"}}], "twice"),
    "a filter twice": ("filters", [{"min_r": 0.1}, {"min_r": 0.2}], "twice"),
    "a control twice": ("controls", ["neurons", "neurons"], "twice"),
    "a list twice": ("concepts", {"lists": ["Time", "Time"]}, "twice"),
    "a null of concepts twice": ("concepts", {"nulls": ["pairing", "pairing"]}, "twice"),
    "a layer twice": ("a.layers", [2, 2], "once"),
    "a layer twice in ranges": ("a.layers", "1-3, 2", "once"),
    "ranges that fall": ("a.layers", "3-1", "range"),
    "keys of SAEs that are no numbers": ("a.saes", {"layer_2": "x"}, "number of a block"),
    "SAEs of a layer twice": ("a.saes", {"02": "x", 2: "y"}, "twice"),
    "a variable that isn't set": ("a.model", "$CONGRUENCE_NO_SUCH/x", "CONGRUENCE_NO_SUCH"),
    "a variable in braces": ("corpus.path", "${CONGRUENCE_NO_SUCH}/x", "CONGRUENCE_NO_SUCH"),
    "a home of nobody": ("a.model", "~no-such-user/x", "no-such-user"),
    "a revision of a folder": ("a.revision", "main", "revision"),
    "an empty separator": ("corpus.separator", "", "separator"),
    "no corpus there": ("corpus.path", "absent/texts.jsonl", "absent/texts.jsonl"),
    "a data set as a path": ("corpus.path", "Skylion007/openwebtext", "dataset:"),
    "widths that differ": ("measures", ["mean_cosine"], "mean_cosine"),
    "widths that differ, mcc": ("measures", ["pw_mcc"], "pw_mcc"),
    "neighbours beyond the features": ("measures", [{"mutual_knn": {"k": 10**6}}], "k="),
    "components beyond the width": ("measures", [{"svcca": {"n_components": 10**6}}], "n_components"),
    "candidates beyond the features": (
        "measures", [{"translation_accuracy": {"candidates": 10**7}}], "candidates",
    ),
    "shifts that repeat": ("null", {"kind": "document_shift", "draws": 50}, "documents"),
    "shifts of pairing that repeat": ("pairing", {"null_draws": 50}, "documents"),
    "too many draws for the machine": ("null", {"draws": 10**6, "stop_after": 10**7}, "stop_after"),
    "r above 1": ("filters", [{"min_r": 5}], "min_r"),
    "r below every distance": ("pairing", {"measure": "euclidean"}, "min_r"),
    "a number as a word": ("filters", [{"min_r": "high"}], "min_r"),
    "stop after more than all": ("null", {"draws": 20, "stop_after": 30}, "stop_after"),
    "an unknown hook": ("a.hook", "resid_pst", "resid_pst"),
    "a hook of another pattern": ("a.hook", "blocks.{layer}.{x}", "blocks.{layer}.{x}"),
    "a layer that isn't there": ("a.layers", [77], "77"),
    "an unknown device": ("a.device", "gpu", "gpu"),
    "no model there": ("a.model", "absent/model", "absent/model"),
    "no SAEs there": ("a.saes", "./absent", "absent"),
    "an unknown concept": ("concepts", ["Tyme"], "Tyme"),
    "a file of keywords that isn't there": ("concepts", ["absent.yaml"], "absent.yaml"),
    "the wrong file of keywords": ("concepts", ["list.csv"], "list.csv"),
    "an overlap of one": ("concepts", {"overlaps": [["Time"]]}, "overlap"),
    "an overlap of the unknown": ("concepts", {"overlaps": [["Time", "Nope"]]}, "Nope"),
    "phrases of the unknown": ("concepts", {"multi_token": [{"first": "Time", "second": "No"}]}, "No"),
    "hits beyond reach": ("concepts", {"min_hits": 9}, "min_hits"),
    "keywords in a mapping": ("concepts", {"lists": [{"X": {"Y": ["a"]}}]}, "X"),
    "keywords of punctuation": ("concepts", {"lists": [{"X": ["?!"]}]}, "?!"),
    "a name that turns the text": ("a.name", "abc\u202edef", "U+202E"),
    "a name of a thousand letters": ("a.name", "x" * 1000, "200"),
    "neurons without SAEs": ("a.features", "nuerons", "neurons"),
    "other_seed without SAEs": ("controls", ["other_seed"], "other_seed"),
    "beats_null without its null": ("filters", ["beats_null"], "null_draws"),
    "an encoding that doesn't exist": ("corpus.encoding", "latin-99", "latin-99"),
    "a key of pairing misspelt": ("pairing", {"metod": "greedy"}, "method"),
    "a configuration of a data set for a path": ("corpus.dataset_config", "en", "dataset_config"),
}  # fmt: skip


def of_relations() -> Iterator[Attempt]:
    """Values of the right type that can't stand together, or name what isn't there."""
    for name, (path, value, says) in TOGETHER.items():
        yield Attempt("together", name, _run(changed(base_config(), path, value)), (says,))


YAML = {
    "nothing": b"", "a list": b"- a\n- b\n", "a word": b"run\n", "a number": b"7\n", "null bytes": b"a: \x00\n",
    "a tab": b"a:\n\tmodel: x\n", "two documents": b"a: 1\n---\nb: 2\n", "not UTF-8": b"a: {model: \xff\xfe}\n",
    "deep lists": b"a: " + b"[" * 1500, "deep mappings": b"{a: " * 1500, "itself": b"a: &a [*a]\n",
    "a Python object": b"a: !!python/object/apply:os.system [touch marker]\n",
    "a Python name": b"a: !!python/name:os.system\n", "thousands of digits": b"seed: " + b"9" * 6000 + b"\n",
    "a broken escape": b'a: {model: "C:\\models"}\n', "a key that is a list": b"? [a]\n: 1\n",
    "a pattern without quotes": b"a: {saes: x/layer_{layer}/y}\n", "an open bracket": b"a: [1, 2\n",
    "an open quote": b'a: "x\n', "aliases of aliases": b"a: &a [1,1,1,1,1,1,1,1,1]\n" + b"".join(
        b"k%d: &%c [%s]\n" % (i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)
    ),
    "a tag that doesn't fit": b"seed: !!int x\n", "a binary": b"a: !!binary zzz\n", "a set": b"!!set {a, b}\n",
    "UTF-16": "a: {model: x}\n".encode("utf-16"), "a zip": b"PK\x03\x04" + bytes(range(200)),
}  # fmt: skip


def of_yaml(rng: random.Random, count: int) -> Iterator[Attempt]:
    """Broken YAML, keys written twice, and a valid text with random bytes changed."""
    text = yaml.safe_dump(base_config())
    for name, raw in YAML.items():
        yield Attempt("YAML", name, lambda folder, raw=raw: run_text(raw, folder))
    lines = text.splitlines()
    for number, line in enumerate(lines):
        twice = "\n".join([*lines[: number + 1], line, *lines[number + 1 :]])
        if line.strip().startswith("-") or line.rstrip().endswith(":"):
            continue
        key = line.strip().partition(":")[0]
        yield Attempt("YAML", f"{key} twice", lambda f, t=twice: run_text(t, f), (key, "twice"))
    for number in range(count):
        raw = bytearray(text.encode())
        for _ in range(rng.choice((1, 1, 2, 5))):
            place = rng.randrange(len(raw))
            change = rng.choice(("byte", "cut", "insert", "end"))
            if change == "byte":
                raw[place] = rng.randrange(256)
            elif change == "cut":
                del raw[place : place + rng.randrange(1, 9)]
            elif change == "insert":
                raw[place:place] = rng.choice(
                    (b"[", b"}", b": ", b"'", b'"', b"\n", b"&a ", b"*b", b"!!", b"# ")
                )
            else:
                del raw[place:]
            raw = raw or bytearray(b"x")
        yield Attempt("YAML", f"random {number}", _loaded(bytes(raw)), refused=False)


def _loaded(raw: bytes) -> Callable[[Path], Ended]:
    from attempts import call

    def act(folder: Path) -> Ended:
        (folder / "c.yaml").write_bytes(raw)
        return call(load_config, folder / "c.yaml")

    return act
