"""Malformed arguments of the commands that read a finished run, and of those that look before anything is run."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from attempts import DEMO, Attempt, Ended, base_config, changed, command
from of_calls import NO_NUMBERS
from of_configurations import TOGETHER, YAML, odd_configurations

READERS: dict[str, tuple[str, ...]] = {
    "explore": ("explore", "DIR"), "export": ("export", "DIR", "--to", "parquet", "--out", "NEW"),
    "figures": ("figures", "DIR", "--out", "NEW"), "tables": ("tables", "DIR"),
    "compare-runs": ("compare-runs", "DIR", "DIR"), "diff": ("diff", "DIR", "DIR", "--json"), "report": ("report", "DIR"),
}  # fmt: skip
"""Commands that take a finished run."""
NO_RUNS = {
    "nothing": "", "blanks": "  ", "no folder": "absent", "a file": "CONFIG", "an empty folder": "EMPTY",
    "half a run": "OUT", "a device": "/dev/null", "a bell": "a\x07", "a mark that turns": "a\u202eb",
    "a long name": "x" * 5000, "a file's inside": "CONFIG/x",
}  # fmt: skip
MODELS = (str(DEMO / "small"), str(DEMO / "large"))
RECIPE = (
    "recipe", "run", "all-layers-pythia", "--out", "NEW", "--a", MODELS[0], "--b", MODELS[1],
    "--saes-a", str(DEMO / "saes" / "small"), "--saes-b", str(DEMO / "saes" / "large"), "--no-pictures",
)  # fmt: skip
BEFORE: dict[str, tuple[str, ...]] = {
    "one run to compare": ("compare-runs", "EMPTY"), "no run to compare": ("compare-runs",), "two forms": ("compare-runs", "EMPTY", "EMPTY", "--json", "--csv"),
    "export to nothing": ("export", "EMPTY", "--out", "NEW"), "export to another place": ("export", "EMPTY", "--to", "tensorboard", "--out", "NEW"),
    "export without --out": ("export", "EMPTY", "--to", "parquet"), "figures in GIF": ("figures", "EMPTY", "--format", "gif"),
    "figures of no width": ("figures", "EMPTY", "--width", "0"), "figures in a style": ("figures", "EMPTY", "--style", "poster"),
    "tables in HTML": ("tables", "EMPTY", "--format", "html"), "explore of two": ("explore", "EMPTY", "EMPTY"), "explore of none": ("explore",),
    "no recipe": ("recipe", "show"), "an empty recipe": ("recipe", "show", ""), "an unknown recipe": ("recipe", "show", "zz?"),
    "a recipe with a bell": ("recipe", "show", "a\x07"), "an unknown part": ("recipe", "show", RECIPE[2], "--part", "zz?"),
    "a recipe into nothing": (*RECIPE[:4], "", *RECIPE[5:]), "a recipe into a file": (*RECIPE[:4], "CONFIG", *RECIPE[5:]),
    "an unknown recipe's audit": ("recipe", "audit", "zz?", "--out", "NEW"), "a recipe of no model": (*RECIPE, "--a", "./absent"),
    "a recipe of no SAEs": (*RECIPE, "--saes-b", "./absent"), "a recipe of no text": (*RECIPE, "--corpus", "./absent.txt"),
    "a recipe beside nothing": (*RECIPE, "--beside", "EMPTY"), "no models": ("init",), "one model": ("init", MODELS[0]),
    "an empty model": ("init", "", MODELS[1]), "a model that isn't there": ("init", "./absent", MODELS[1]),
    "a model with a bell": ("init", "a\x07", MODELS[1]), "SAEs that aren't there": ("init", *MODELS, "--saes-a", "./absent"),
    "no SAEs": ("init", *MODELS, "--saes-b", ""), "no text": ("init", *MODELS, "--corpus", ""),
    "text that isn't there": ("init", *MODELS, "--corpus", "./absent.txt"), "a file that exists": ("init", *MODELS, "--out", "CONFIG"),
    "a file below a file": ("init", *MODELS, "--out", "CONFIG/x"), "a folder for a file": ("init", *MODELS, "--out", "EMPTY"),
    "validate nothing": ("validate", ""), "validate no file": ("validate", "absent.yaml"), "validate a folder": ("validate", "EMPTY"),
    "validate a device": ("validate", "/dev/null"), "validate zeros": ("validate", "/dev/zero"), "validate without": ("validate",),
    "a change that isn't one": ("validate", "CONFIG", "--set", "seed"), "a change of nothing": ("validate", "CONFIG", "--set", "=3"),
    "a change of the unknown": ("validate", "CONFIG", "--set", "sead=3"), "a change to the wrong type": ("validate", "CONFIG", "--set", "seed=x"),
    "list everything": ("list", "everything"), "list nothing": ("list", ""), "list two": ("list", "measures", "nulls"),
}  # fmt: skip
BEFORE |= {
    f"{flag} {value!a}": (*RECIPE, flag, value)
    for flag in ("--documents", "--max-tokens", "--draws", "--runs", "--layers-a", "--layers-b")
    for value in ("0" if flag not in ("--layers-a", "--layers-b") else "3-1", "x", "", "1.5", "-1")
}
BEFORE |= {f"--port {value!a}": ("explore", "EMPTY", "--port", value) for value in (*NO_NUMBERS, "65536")}
BEFORE |= {
    f"--font-size {value!a}": ("figures", "EMPTY", "--font-size", value)
    for value in ("x", "", "nan", "inf", "-1", "0", "1e9")
}
BEFORE |= {f"status of {name}": ("status", place) for name, place in NO_RUNS.items()}
BEFORE |= {
    f"{arguments[0]} into {place!a}": (*arguments, "--out", place)
    for arguments in (("truth", "--quick"), ("figures", "EMPTY"), ("tables", "EMPTY"), ("export", "EMPTY", "--to", "parquet"))
    for place in ("", " ", "a\x07", "CONFIG", "CONFIG/x")
}  # fmt: skip
BEFORE |= {
    f"--set {change[:20]!a}": ("validate", "CONFIG", "--set", change)
    for change in (
        "", "=", ".=1", "a..layers=1", "null.draws=[", "null.draws={", "null.draws=1e400", "null.draws=.nan", "null.draws=",
        "null.draws=!!python/object:os.system", "null.draws=&a [*a]", "measures[0]=rsa", "corpus.path=", "seed=true", "seed=-1",
        "runner=foo", "runner.workers=3", "verdicts=maybe", f"{'x' * 3000}=1", f"pairing.keep={'x' * 3000}",
    )
}  # fmt: skip
OF_A_RUN: dict[str, tuple[str, ...]] = {
    "one run twice in a table": ("tables", "DIR", "--only", "zz?"), "a table below a file": ("tables", "DIR", "--out", "CONFIG/x"),
    "no figure": ("figures", "DIR", "--only", "zz?"), "figures below a file": ("figures", "DIR", "--out", "CONFIG/x"),
    "figures beside nothing": ("figures", "DIR", "--out", "NEW", "--beside", "EMPTY"), "huge letters": ("figures", "DIR", "--out", "NEW", "--font-size", "99"),
    "letters that are no number": ("figures", "DIR", "--out", "NEW", "--font-size", "nan"),
    "an export into the run": ("export", "DIR", "--to", "parquet", "--out", "DIR/x"), "an export below a file": ("export", "DIR", "--to", "parquet", "--out", "CONFIG/x"),
    "one layer": ("export", "DIR", "--to", "embedding-atlas", "--out", "NEW", "--layers", "2"), "layers that aren't there": ("export", "DIR", "--to", "embedding-atlas", "--out", "NEW", "--layers", "7,9"),
    "layers in words": ("export", "DIR", "--to", "embedding-atlas", "--out", "NEW", "--layers", "a,b"), "less than no layer": ("export", "DIR", "--to", "embedding-atlas", "--out", "NEW", "--layers", "-1,2"),
    "layers of Egypt": ("export", "DIR", "--to", "embedding-atlas", "--out", "NEW", "--layers", "²,2"),
    "no sources": ("export", "DIR", "--to", "neuronpedia", "--out", "NEW"), "half a source": ("export", "DIR", "--to", "neuronpedia", "--out", "NEW", "--source-a", "x", "--source-b", "y/z"),
    "an empty source": ("export", "DIR", "--to", "neuronpedia", "--out", "NEW", "--source-a", "", "--source-b", ""),
    "a run beside nothing": ("compare-runs", "DIR", "EMPTY"), "a run alone": ("compare-runs", "DIR"),
}  # fmt: skip


def of_commands() -> Iterator[Attempt]:
    """Every reader with folders that hold no run, and commands whose arguments say what can't be."""
    for reader, arguments in READERS.items():
        for name, place in NO_RUNS.items():
            yield Attempt("reader", f"{reader} of {name}", _given(arguments, place))
    for name, arguments in BEFORE.items():
        yield Attempt("command", name, _given(arguments))


def of_validated() -> Iterator[Attempt]:
    """Configurations that `congruence validate` must refuse as `congruence run` does, or may still take."""
    for name, raw in YAML.items():
        yield Attempt("validate", f"YAML, {name}", _validated(raw))
    for path, label, key, odd in odd_configurations():
        config = yaml.safe_dump(odd).encode("utf-8", "surrogatepass")
        known = (path, label) != ("corpus.skip_first", "huge")  # how long the text is, validate doesn't ask
        yield Attempt("validate", f"{path}={label}", _validated(config), says=(key,), refused=known)
    for name, (path, value, says) in TOGETHER.items():
        config = yaml.safe_dump(changed(base_config(), path, value)).encode("utf-8", "surrogatepass")
        yield Attempt("validate", f"together, {name}", _validated(config), (says,), refused=False)


READ_WHEN_ASKED = {
    "matches.parquet": ("export",), "concept_keywords.parquet": ("export",), "features.parquet": ("export", "report"),
}  # fmt: skip
"""Tables that not every reader reads -> those that do."""


def of_readers(finished: Path) -> Iterator[Attempt]:
    """A finished run read with arguments that don't fit it, and every reader of runs whose files are damaged."""
    for name, arguments in OF_A_RUN.items():
        yield Attempt("finished run", name, _given(arguments, str(finished)))
    (published,) = (finished / "generations").iterdir()
    changes: dict[str, Callable[[Path], None]] = {
        "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "empty": lambda path: path.write_bytes(b""), "gone": lambda path: path.unlink(),
        "a folder": lambda path: (path.unlink(), path.mkdir())[0],
    }  # fmt: skip
    for file in (*sorted(path.name for path in published.glob("*.parquet")), "run.json"):
        for change, damage in changes.items():
            for reader in READ_WHEN_ASKED.get(file, READERS):
                act = _damaged(finished, published.name, file, damage, READERS[reader])
                yield Attempt("damaged run", f"{reader}, {file} {change}", act)


def _damaged(
    finished: Path, key: str, file: str, damage: Callable[[Path], None], arguments: tuple[str, ...]
) -> Callable[[Path], Ended]:
    def act(folder: Path) -> Ended:
        leave = shutil.ignore_patterns("activations", "cells", "figures", "report.html")
        shutil.copytree(finished, folder / "run", symlinks=True, ignore=leave)
        damage(folder / "run" / "generations" / key / file)
        return _given(arguments, str(folder / "run"))(folder)

    return act


def _validated(raw: bytes) -> Callable[[Path], Ended]:
    def act(folder: Path) -> Ended:
        (folder / "config.yaml").write_bytes(raw)
        return command("validate", folder / "config.yaml")

    return act


def _given(arguments: tuple[str, ...], run: str = "") -> Callable[[Path], Ended]:
    """A command line in which words in capitals stand for files and folders of the attempt."""

    def act(folder: Path) -> Ended:
        (folder / "config.yaml").write_text(yaml.safe_dump(base_config()))
        (folder / "empty").mkdir()
        places = {"CONFIG": "config.yaml", "OUT": "out", "EMPTY": "empty", "NEW": "new"}

        def placed(argument: str) -> str:
            head, slash, tail = argument.partition("/")
            if head == "DIR":
                return placed(run) + slash + tail
            return f"{folder / places[head]}{slash}{tail}" if head in places else argument

        return command(*map(placed, arguments))

    return act
