"""Malformed flags of commands, and calls from Python with what they can't take."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from attempts import DEMO, INF, NAN, Attempt, Ended, base_config, call, changed, command
from scipy import sparse

NO_NUMBERS = ("x", "", "1.5", "nan", "-1", "1e3", "99999999999999999999999", "0x10", "\x07")
FLAGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "demo --draws": (("demo", "--out", "OUT"), ("0", *NO_NUMBERS)),
    "demo --seed": (("demo", "--out", "OUT"), NO_NUMBERS),
    "doctor --sample-tokens": (("doctor", "CONFIG"), ("0", "1", *NO_NUMBERS)),
    "saes --layer": (("saes", str(DEMO / "saes" / "small")), NO_NUMBERS),
    "concepts build --depth": (("concepts", "build", "--from", "LIST", "--out", "OUT.json"), NO_NUMBERS),
    "concepts build --min-lists": (("concepts", "build", "--from", "LIST", "--out", "OUT.json"), ("0", "9", *NO_NUMBERS)),
    "concepts build --lists": (("concepts", "build", "--from", "LIST", "--out", "OUT.json"), ("0", *NO_NUMBERS)),
    "concepts build --temperature": (
        ("concepts", "build", "--from", "LIST", "--out", "OUT.json"), ("x", "", "-1", "1e9"),
    ),
    "concepts build --wordnet": (("concepts", "build", "--from", "LIST", "--out", "OUT.json"), ("nowhere", "", "/dev/null")),
    "train-sae --seed": (("train-sae", "CONFIG"), NO_NUMBERS),
}  # fmt: skip
COMMANDS: dict[str, tuple[str, ...]] = {
    "no folder": ("run", "CONFIG", "--out", ""), "blanks for a folder": ("run", "CONFIG", "--out", "  "),
    "a bell in a folder": ("run", "CONFIG", "--out", "a\x07"), "no --out": ("run", "CONFIG"),
    "demo into nothing": ("demo", "--out", ""), "no configuration": ("run", "--out", "OUT"),
    "an empty configuration's name": ("run", "", "--out", "OUT"), "a folder as configuration": ("run", ".", "--out", "OUT"),
    "a device as configuration": ("run", "/dev/null", "--out", "OUT"), "zeros as configuration": ("run", "/dev/zero", "--out", "OUT"),
    "an unknown command": ("rnu",), "an unknown flag": ("run", "CONFIG", "--outt", "x"), "two configurations": ("run", "CONFIG", "CONFIG", "--out", "OUT"),
    "a report of nothing": ("report", ""), "a report of a file": ("report", "CONFIG"), "a report of an empty folder": ("report", "EMPTY"),
    "a report of no folder": ("report", "absent"), "SAEs of nothing": ("saes", ""), "SAEs of a file": ("saes", "CONFIG"),
    "SAEs of no folder": ("saes", "./absent"), "a list of nothing": ("list", "nothing"), "a list of nothing named": ("list",),
    "a training without configuration": ("train-sae", "absent.yaml"), "a training into nothing": ("train-sae", "CONFIG", "--out", ""),
    "a doctor without configuration": ("doctor", "absent.yaml"), "a doctor of a list": ("doctor", "LIST"),
    "concepts of nothing": ("concepts", "show"), "concepts of no file": ("concepts", "list", "absent.yaml"),
    "a check without tokenizer": ("concepts", "check", "Time", "--tokenizer", "./absent"),
    "a check of an empty folder": ("concepts", "check", "Time", "--tokenizer", "EMPTY"),
    "a build from nothing": ("concepts", "build", "--out", "OUT.json"), "a build without model": ("concepts", "build", "--concept", "A", "--out", "OUT.json"),
    "a build from one list twice missing": ("concepts", "build", "--from", "absent.yaml", "--out", "OUT.json"),
    "a build into a folder": ("concepts", "build", "--from", "LIST", "--out", "EMPTY"),
    "a run into a file": ("run", "CONFIG", "--out", "LIST"), "a run below a file": ("run", "CONFIG", "--out", "LIST/x"),
    "a very long path": ("run", "x" * 5000, "--out", "OUT"),
    "a very long folder": ("run", "CONFIG", "--out", "y" * 5000),
}  # fmt: skip


def of_flags() -> Iterator[Attempt]:
    """Every command with values its flags can't take, and without what it needs."""
    for name, (rest, values) in FLAGS.items():
        flag = name.split()[-1]
        for value in values:
            yield Attempt("flag", f"{name} {value!a}", _command((*rest, flag, value)))
    for name, arguments in COMMANDS.items():
        yield Attempt("command", name, _command(arguments))


def _command(arguments: tuple[str, ...]) -> Callable[[Path], Ended]:
    def act(folder: Path) -> Ended:
        (folder / "config.yaml").write_text(yaml.safe_dump(base_config()))
        (folder / "list.yaml").write_text("Sky: [sun, moon]\n")
        (folder / "empty").mkdir()
        places = {"CONFIG": "config.yaml", "LIST": "list.yaml", "OUT": "out", "EMPTY": "empty"}

        def placed(argument: str) -> str:
            head, slash, tail = argument.partition("/")
            stem, dot, ending = head.partition(".")
            return str(folder / f"{places[stem]}{dot}{ending}{slash}{tail}") if stem in places else argument

        return command(*map(placed, arguments))

    return act


def of_calls() -> Iterator[Attempt]:
    """Public functions with arrays, numbers and objects that they can't take."""
    yield from _of_measures()
    yield from _of_saes()
    yield from _of_correlations()
    yield from _of_tests()
    yield from _of_runs()


RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 6))
ARRAYS: dict[str, Any] = {
    "NaN": np.where(np.arange(6) == 2, NAN, X), "infinity": np.where(np.arange(6) == 2, INF, X), "words": [["a", "b"]] * 24,
    "objects": np.full((24, 6), None), "one axis": X[:, 0], "three axes": X[None], "two rows": X[:2], "no rows": X[:0],
    "no columns": X[:, :0], "constant": np.ones((24, 6)), "complex": X + 1j,
    "sparse": sparse.csr_array(X), "sparse torch": torch.from_numpy(X).to_sparse(), "nothing": None, "a mapping": {"a": 1},
    "one number": 3.0, "a string": "abc", "fewer rows": X[:20], "masked": np.ma.masked_greater(X, 1),
}  # fmt: skip


def _of_measures() -> Iterator[Attempt]:
    from congruence.metrics import METRICS

    for name in METRICS:
        for label, bad in ARRAYS.items():
            yield Attempt("measure", f"{name} of {label}", _calls(METRICS.get(name), bad, X))
        yield Attempt("measure", f"{name} the other way", _calls(METRICS.get(name), X, ARRAYS["NaN"]))


def _calls(function: Callable[..., Any], *arguments: Any, **options: Any) -> Callable[[Path], Ended]:
    return lambda _: call(function, *arguments, **options)


def _of_saes() -> Iterator[Attempt]:
    from congruence.saes import load_sae

    sae = load_sae(str(DEMO / "saes" / "large" / "layers.2"))
    x = torch.zeros(3, sae.d_in)
    bad: dict[str, Any] = {
        "NaN": torch.full_like(x, NAN), "infinity": torch.full_like(x, INF), "a list": x.tolist(), "an array": x.numpy(),
        "wider": torch.zeros(3, sae.d_in + 1), "no axis": torch.zeros(()), "nothing": None, "a string": "x",
        "complex": x + 1j, "sparse": x.to_sparse(), "one row too wide": torch.zeros(sae.d_in - 1),
    }  # fmt: skip
    for name in ("encode", "encode_csr", "pre_activation", "reconstruct"):
        for label, value in bad.items():
            yield Attempt("SAE call", f"{name} of {label}", _calls(getattr(sae, name), value))
    f = torch.zeros(3, sae.d_sae)
    for label, value in {
        **bad,
        "NaN": f + NAN,
        "complex": f + 1j,
        "sparse": f.to_sparse(),
        "a list": f.tolist(),
    }.items():
        yield Attempt("SAE call", f"decode of {label}", _calls(sae.decode, value))
    for value in (None, 3, "", ["x"], "./absent", b"x"):
        yield Attempt("SAE call", f"load_sae({value!r})", _calls(load_sae, value))


def _of_correlations() -> Iterator[Attempt]:
    from congruence.matching import match
    from congruence.stats import correlate

    acts = sparse.random_array((40, 8), density=0.4, format="csr", rng=np.random.default_rng(0))
    bad: dict[str, Any] = {
        "a list": [[1.0]], "nothing": None, "a string": "x", "fewer rows": acts[:30], "sparse torch": torch.eye(40).to_sparse(),
        "complex": np.full((40, 8), 1j), "NaN": np.full((40, 8), NAN),
        "infinity": np.full((40, 8), INF), "one axis": np.ones(40), "words": np.full((40, 8), "a"), "no rows": np.ones((0, 8)),
    }  # fmt: skip
    for label, value in bad.items():
        yield Attempt("correlate", label, _calls(correlate, value, acts))
        yield Attempt("correlate", f"{label} on the right", _calls(correlate, acts, value))
    for options in (
        {"measure": "spearman"}, {"measure": None}, {"top_k": 0}, {"top_k": -1}, {"min_cofirings": -1},
        {"mask": np.ones(3, bool)}, {"mask": np.ones(40)},
    ):  # fmt: skip
        yield Attempt("correlate", str(sorted(options)), _calls(correlate, acts, acts, **options))
    for options in (
        {"method": "gredy"},
        {"method": "greedy", "epsilon": 1},
        {"method": "transport", "epsilon": -1},
    ):
        yield Attempt("match", str(options), _calls(match, acts, acts, **options))


def _of_tests() -> Iterator[Attempt]:
    from congruence.significance import adjust, bootstrap_interval, permutation_test

    for options in (
        {"draws": 0}, {"draws": -1}, {"draws": 1.5}, {"draws": "x"}, {"draws": True}, {"draws": NAN}, {"rng": -1},
        {"rng": "x"}, {"rng": None}, {"null": "paring"}, {"null": "firing_rate"}, {"alternative": "more"}, {"null": "subset"},
    ):  # fmt: skip
        given = {"rng": 0, "draws": 9, **options}
        yield Attempt("test", str(options), _calls(permutation_test, "rsa", X, X, **given))
    for metric in ("rsaa", None, 3):
        yield Attempt("test", f"measure {metric!r}", _calls(permutation_test, metric, X, X, rng=0, draws=9))
    for p in ([2.0], [-0.1], ["a"], [[0.1], 0.2]):
        yield Attempt("adjust", str(p), _calls(adjust, p), refused=p != [[0.1], 0.2])
    yield Attempt("adjust", "an unknown method", _calls(adjust, [0.1], "bonferoni"))
    for options in (
        {"draws": 0},
        {"draws": 1.5},
        {"level": 2},
        {"level": NAN},
        {"rng": None},
        {"documents": 0},
    ):
        given = {"documents": 9, "rng": 0, **options}
        yield Attempt("interval", str(options), _calls(bootstrap_interval, np.sum, **given))


def _of_runs() -> Iterator[Attempt]:
    from congruence.report import summary, write_figures, write_report
    from congruence.run import compare, load_run

    for function in (load_run, write_report, write_figures, summary):
        for value in (None, 3, "", "./absent", [], b"x", "a\x00b", "/dev/null"):
            yield Attempt("run call", f"{function.__name__}({value!r})", _calls(function, value))
    for value in (None, 3, "", [], "absent.yaml", {"a": 1}, {1: 2}, b"x"):
        yield Attempt("run call", f"compare({value!r})", lambda f, v=value: call(compare, v, out=f / "out"))
    for key, value in (("mesures", ["rsa"]), ("measures", [len]), ("a", object()), ("null", {"draws": NAN})):
        config = changed(base_config(), key, value)
        yield Attempt(
            "run call", f"compare {key}", lambda f, c=config: call(compare, c, out=f / "out"), (key,)
        )
    for out in ("", None, 3):
        yield Attempt("run call", f"out={out!r}", _calls(compare, base_config(), out=out))
