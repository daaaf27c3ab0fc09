"""Malformed files: keyword lists, SAE folders, corpora, model folders, run folders."""

import io
import json
import pickle
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attempts import DEMO, NAN, Attempt, Ended, base_config, call, changed, command, run_config


class Payload:
    """A pickle that leaves a file behind wherever it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


def poisoned(folder: Path) -> bytes:
    """Such a pickle, whose file is ``marker`` in the folder."""
    return pickle.dumps(Payload(folder / "marker"))


GOOD_LISTS = {
    ".yaml": "Sky: [sun, moon, star]\nSea: [wave, tide]\n",
    ".json": '{"concepts": [{"name": "Sky", "keywords": ["sun", "moon"], "source": "me"}]}',
    ".txt": "[Sky]\nsun\nmoon # near\n[Sea]\nwave\n",
}
LISTS: dict[str, tuple[str, str | bytes]] = {
    "empty": (".yaml", ""), "empty JSON": (".json", ""), "empty text": (".txt", ""), "comments": (".txt", "# a\n"),
    "a word": (".yaml", "sun"), "a number": (".json", "3"), "a list of words": (".yaml", "[sun, moon]"),
    "null": (".json", "null"), "no keywords": (".yaml", "Sky: []"), "no list": (".yaml", "Sky: sun"),
    "a number for a list": (".yaml", "Sky: 3"), "nothing for a list": (".yaml", "Sky:"),
    "a mapping for a list": (".yaml", "X: {Y: [a]}"), "a number as keyword": (".yaml", "Sky: [3]"),
    "true as keyword": (".yaml", "Sky: [yes]"), "nothing as keyword": (".yaml", "Sky: [sun, ]\nSea: [~]"),
    "a list as keyword": (".yaml", "Sky: [[sun]]"), "no letters": (".yaml", 'Sky: ["?!"]'),
    "an empty keyword": (".yaml", 'Sky: [""]'), "a number as name": (".yaml", "3: [sun]"),
    "nothing as name": (".yaml", "~: [sun]"), "an empty name": (".yaml", '"": [sun]'),
    "a name with a bell": (".yaml", '"a\\x07": [sun]'), "a name of half a character": (".yaml", '"a\\uD800": [sun]'),
    "half a character": (".json", '{"Sky": ["su\\ud800n"]}'), "a name that turns": (".yaml", '"a\\u202eb": [sun]'),
    "a long name": (".yaml", f"{'x' * 300}: [sun]"), "a long keyword": (".yaml", f"Sky: [{'x' * 900}]"),
    "a concept twice": (".yaml", "Sky: [sun]\nSea: [tide]\nSky: [moon]"),
    "a concept twice in JSON": (".json", '{"Sky": ["sun"], "Sky": ["moon"]}'),
    "a concept twice but for case": (".yaml", "Sky: [sun]\nsky: [moon]"),
    "a concept twice in text": (".txt", "[Sky]\nsun\n[Sea]\ntide\n[Sky]\nmoon\n"),
    "a text of signs": (".txt", "???\n"), "an empty concept in text": (".txt", "[]\nsun\n"),
    "deep JSON": (".json", "[" * 100_000), "deep YAML": (".yaml", "[" * 1500),
    "digits": (".json", '{"Sky": [' + "9" * 6000 + "]}"), "NaN": (".json", '{"Sky": NaN}'),
    "cut JSON": (".json", '{"Sky": ["sun"'), "an unknown key": (".json", '[{"name": "A", "keyword": ["a"]}]'),
    "no name": (".json", '[{"keywords": ["a"]}]'), "a number as source": (".json", '[{"name":"A","keywords":["a"],"source":5}]'),
    "an odd provenance": (".json", '[{"name":"A","keywords":["a"],"provenance":[1]}]'),
    "odd steps": (".json", '[{"name":"A","keywords":["a"],"provenance":{"removed":[{"x":1}]}}]'),
    "lists of a provenance": (".json", '[{"name":"A","keywords":["a"],"provenance":{"lists":[{"source":1,"keywords":3}]}}]'),
    "another kind": (".json", '{"kind": "congruence/run", "format_version": 1, "concepts": []}'),
    "a newer version": (".json", '{"kind": "congruence/concepts", "format_version": 99, "concepts": []}'),
    "concepts in a word": (".json", '{"concepts": "x"}'), "mixed entries": (".json", '[{"name":"A","keywords":["a"]}, 3]'),
    "bytes": (".yaml", b"\xff\xfe\x00"), "Latin-1": (".txt", "Überfluß".encode("latin-1")), "a zip": (".json", b"PK\x03\x04\xff"),
    "a Python object": (".yaml", "!!python/object/apply:os.system [touch marker]"),
    "an alias of itself": (".yaml", "Sky: &a [*a]"), "another ending": (".csv", "sun,moon"), "no ending": ("", "sun"),
}  # fmt: skip


def _show(name: str, raw: bytes) -> Callable[[Path], Ended]:
    def act(folder: Path) -> Ended:
        (folder / name).write_bytes(raw)
        return command(
            "concepts",
            "list" if name.endswith((".csv", "list")) else "show",
            *([folder / name] if name.endswith((".csv", "list")) else ["--provenance", folder / name]),
        )

    return act


def of_keyword_lists(rng: random.Random, count: int) -> Iterator[Attempt]:
    """Broken lists, and good ones with random characters changed."""
    for name, (ending, text) in LISTS.items():
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        yield Attempt(
            "keywords", name, _show(f"list{ending}", raw), says=(f"list{ending}",) if "wo" in name else ()
        )
    for number in range(count):
        ending = rng.choice(list(GOOD_LISTS))
        text = list(GOOD_LISTS[ending])
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(text))
            text[place : place + rng.randrange(3)] = rng.choice(
                ("", "[", "]", ":", '"', "\n", "{", "\x07", "é", "[/red]", "&a", "- ")
            )
            text = text or ["x"]
        yield Attempt(
            "keywords", f"random {number}", _show(f"list{ending}", "".join(text).encode()), refused=False
        )
    for odd in ("[/red]", "[bold]", "", "\x07", "../..", "a\ud800", "no/such.yaml", "~"):
        yield Attempt("keywords", f"show {odd!a}", lambda _, odd=odd: command("concepts", "show", odd))
    for ending in ("", ".xyz", ".csv", ".json.gz"):
        yield Attempt("keywords", f"built into {ending}", _build(ending), says=("end it in",))


def _build(ending: str) -> Callable[[Path], Ended]:
    def act(folder: Path) -> Ended:
        (folder / "a.yaml").write_text(GOOD_LISTS[".yaml"])
        ended = command("concepts", "build", "--from", folder / "a.yaml", "--out", folder / f"o{ending}")
        assert not (folder / f"o{ending}").exists() or not ending
        return ended

    return act


SAE = DEMO / "saes" / "large" / "layers.2"
ODD_VALUES: dict[str, Any] = {
    "null": None, "word": "zz?", "nan": NAN, "negative": -1, "huge": 10**40, "list": [], "mapping": {"a": 1},
    "true": True, "text number": "12", "half": 1.5, "zero": 0,
}  # fmt: skip


def _sae(change: Callable[[Path], None]) -> Callable[[Path], Ended]:
    """A changed copy of an SAE's folder, listed and loaded; the worse end of the two."""

    def act(folder: Path) -> Ended:
        from congruence.saes import load_sae

        place = folder / SAE.name
        shutil.copytree(SAE, place)
        change(place)
        listed, loaded = command("saes", place), call(load_sae, str(place))
        return listed if listed.code not in (0, 2) else loaded

    return act


def _config_of(key: str, value: Any) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        record = json.loads((place / "cfg.json").read_text())
        record[key] = value
        (place / "cfg.json").write_text(json.dumps(record))

    return change


def _raw(name: str, edit: Callable[[bytes, Path], bytes]) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        (place / name).write_bytes(edit((place / name).read_bytes(), place.parent))

    return change


def _header(raw: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + raw[8 + length :]


def _first(header: dict[str, Any]) -> dict[str, Any]:
    return header["encoder.weight"]


def _retyped(header: dict[str, Any]) -> None:
    _first(header)["dtype"] = "I32"


def _reshaped(header: dict[str, Any]) -> None:
    _first(header)["shape"] = [3, 5, 7]


def _beyond(header: dict[str, Any]) -> None:
    header["W_dec"]["data_offsets"] = [0, 10**15]


TENSORS: dict[str, Callable[[bytes, Path], bytes]] = {
    "empty": lambda raw, _: b"", "cut": lambda raw, _: raw[: len(raw) // 2], "8 bytes": lambda raw, _: raw[:8],
    "text": lambda raw, _: b"not a tensor", "a pickle": lambda raw, folder: poisoned(folder),
    "a length beyond the file": lambda raw, _: struct.pack("<Q", 2**62) + raw[8:],
    "a header that isn't JSON": lambda raw, _: raw[:8] + b"\xff" * 64 + raw[72:],
    "no W_dec": lambda raw, _: _header(raw, lambda h: h.pop("W_dec") and None),
    "whole numbers": lambda raw, _: _header(raw, _retyped),
    "another shape": lambda raw, _: _header(raw, _reshaped),
    "offsets beyond the file": lambda raw, _: _header(raw, _beyond),
    "a Git LFS pointer": lambda raw, _: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    "HTML": lambda raw, _: b"<!DOCTYPE html><html>404</html>",
}  # fmt: skip
CONFIGS: dict[str, bytes] = {
    "empty": b"", "a list": b"[]", "null": b"null", "deep": b"[" * 100_000, "cut": b'{"d_in": 96', "bytes": b"\xff\xfe",
    "digits": b'{"d_in": ' + b"9" * 6000 + b"}", "no keys": b"{}",
}  # fmt: skip
MUST_BE = {"d_in": set(ODD_VALUES), "d_sae": set(ODD_VALUES), "architecture": set(ODD_VALUES)}


def of_saes(rng: random.Random, count: int) -> Iterator[Attempt]:
    """SAE folders with another configuration, other tensors, or random bytes."""
    for key in json.loads((SAE / "cfg.json").read_text()):
        for name, value in ODD_VALUES.items():
            yield Attempt("SAE", f"{key}={name}", _sae(_config_of(key, value)), refused=False)
    for name, raw in CONFIGS.items():
        yield Attempt(
            "SAE", f"cfg.json {name}", _sae(_raw("cfg.json", lambda _, __, raw=raw: raw)), refused=False
        )
    for name, edit in TENSORS.items():
        yield Attempt("SAE", f"tensors {name}", _sae(_raw("sae.safetensors", edit)))
    yield Attempt("SAE", "tensors behind a link to nowhere", _link_to_nowhere, says=("leads nowhere",))
    for name in ("sae.safetensors", "cfg.json"):
        yield Attempt(
            "SAE",
            f"no {name}",
            _sae(lambda place, name=name: (place / name).unlink()),
            refused=name[0] == "s",
        )
        for number in range(count):
            flipped = _flipper(rng.randrange(2**31))
            yield Attempt("SAE", f"{name} random {number}", _sae(_raw(name, flipped)), refused=False)
    for name in ("ae.pt", "sae.pth", "pytorch_model.bin", "sae_weights.pt"):
        yield Attempt("SAE", f"a pickle called {name}", _only(name))


def _link_to_nowhere(folder: Path) -> Ended:
    """A run whose SAE is a link into a Hub cache from which the file was removed."""
    shutil.copytree(DEMO / "saes" / "small", folder / "saes")
    weights = next((folder / "saes").glob("*.2.*/*.safetensors"))
    weights.unlink()
    weights.symlink_to(folder / "blobs" / "gone")
    return run_config(changed(base_config(), "a.saes", str(folder / "saes")), folder)


def _flipper(seed: int) -> Callable[[bytes, Path], bytes]:
    def flip(raw: bytes, _: Path) -> bytes:
        rng, changed_bytes = random.Random(seed), bytearray(raw)
        for _ in range(rng.choice((1, 3))):
            changed_bytes[rng.randrange(min(len(raw), 400))] = rng.randrange(256)
        return bytes(changed_bytes)

    return flip


def _only(name: str) -> Callable[[Path], Ended]:
    def act(folder: Path) -> Ended:
        from congruence.saes import load_sae

        (folder / "sae").mkdir()
        (folder / "sae" / name).write_bytes(poisoned(folder))
        return call(load_sae, str(folder / "sae"))

    return act


CORPORA: dict[str, tuple[str, bytes | None]] = {
    "empty": ("t.txt", b""), "white space": ("t.txt", b" \n\n \n"), "one letter": ("t.txt", b"a"),
    "Latin-1": ("t.txt", "Müßig".encode("latin-1") * 9), "UTF-16": ("t.txt", ("word " * 50).encode("utf-16")),
    "a folder without text": ("t", None), "a PDF": ("t.pdf", b"%PDF-1.7\n" + b"x " * 99), "HTML": ("t.html", b"<p>one two three</p>" * 20),
    "a zip": ("t.zip", b"PK\x03\x04" + b"x " * 99), "a picture": ("t.png", b"\x89PNG\r\n\x1a\n" + b"x " * 99),
    "a pickle": ("t.pkl", b"POISON"), "a NumPy file": ("t.npy", b"\x93NUMPY" + b"x " * 99),
    "JSON lines cut": ("t.jsonl", b'{"text": "one two"}\n{"text": "thr'), "JSON lines of numbers": ("t.jsonl", b"1\n2\n"),
    "JSON lines without the column": ("t.jsonl", b'{"words": "one"}\n'), "numbers in the column": ("t.jsonl", b'{"text": 3}\n'),
    "lists in the column": ("t.jsonl", b'{"text": ["a"]}\n'), "deep JSON": ("t.jsonl", b"[" * 100_000), "deep JSON file": ("t.json", b"[" * 100_000),
    "digits": ("t.jsonl", b'{"text": ' + b"9" * 6000 + b"}\n"), "nothing but nulls": ("t.jsonl", b'{"text": null}\n'),
    "a broken Parquet": ("t.parquet", b"PAR1" + bytes(40) + b"PAR1"), "an empty Parquet": ("t.parquet", b""),
    "a broken Arrow": ("t.arrow", b"ARROW1\x00\x00" + bytes(40)), "a broken gzip": ("t.txt.gz", b"\x1f\x8b\x08" + bytes(20)),
    "text called gzip": ("t.jsonl.gz", b'{"text": "one"}\n'), "a broken zstd": ("t.jsonl.zst", b"\x28\xb5\x2f\xfd" + bytes(9)),
    "a CSV without the column": ("t.csv", b"words\none two\n"), "an empty CSV": ("t.csv", b""),
    "a Git LFS pointer": ("t.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
    "a JSON word": ("t.json", b'"x"'), "a JSON cut": ("t.json", b'[{"text": "a"}, {"te'),
}  # fmt: skip


def of_corpora() -> Iterator[Attempt]:
    """Texts that can't be read as text."""

    def run(name: str, raw: bytes | None) -> Callable[[Path], Ended]:
        def act(folder: Path) -> Ended:
            place = folder / name
            if raw is None:
                place.mkdir()
            else:
                place.write_bytes(poisoned(folder) if raw == b"POISON" else raw)
            return run_config(changed(base_config(), "corpus.path", str(place)), folder)

        return act

    for name, (file, raw) in CORPORA.items():
        yield Attempt(
            "corpus", name, run(file, raw), says=(file,) if raw is not None and name != "one letter" else ()
        )


MODEL_KEYS = (
    "model_type", "vocab_size", "hidden_size", "n_embd", "num_hidden_layers", "n_layer", "num_attention_heads",
    "n_head", "architectures", "max_position_embeddings",
)  # fmt: skip


def of_models() -> Iterator[Attempt]:
    """Model folders with files missing, broken or saying something else."""

    def run(change: Callable[[Path], None]) -> Callable[[Path], Ended]:
        def act(folder: Path) -> Ended:
            place = folder / "small"
            shutil.copytree(DEMO / "small", place)
            change(place)
            return run_config(changed(base_config(), "a.model", str(place)), folder)

        return act

    def without(*names: str) -> Callable[[Path], None]:
        return lambda place: [(place / name).unlink() for name in names] and None

    def written(name: str, raw: bytes) -> Callable[[Path], None]:
        return lambda place: (place / name).write_bytes(raw) and None

    def keyed(key: str, value: Any) -> Callable[[Path], None]:
        def change(place: Path) -> None:
            record = json.loads((place / "config.json").read_text())
            (place / "config.json").write_text(json.dumps({**record, key: value}))

        return change

    known = json.loads((DEMO / "small" / "config.json").read_text())
    yield Attempt("model", "no configuration", run(without("config.json")))
    yield Attempt("model", "no weights", run(without("model.safetensors")))
    yield Attempt("model", "no tokenizer", run(without("tokenizer.json", "tokenizer_config.json")))
    for name, raw in {
        "empty": b"",
        "a list": b"[]",
        "cut": b'{"model_type": "gp',
        "bytes": b"\xff\xfe",
        "deep": b"[" * 100_000,
    }.items():
        yield Attempt("model", f"config.json {name}", run(written("config.json", raw)))
        yield Attempt("model", f"tokenizer.json {name}", run(written("tokenizer.json", raw)))
    for name in ("empty", "cut", "text", "a length beyond the file", "a Git LFS pointer"):
        yield Attempt("model", f"weights {name}", run(_raw("model.safetensors", TENSORS[name])))
    for key in (key for key in MODEL_KEYS if key in known):
        for name in ("null", "word", "negative", "list", "zero"):
            yield Attempt("model", f"{key}={name}", run(keyed(key, ODD_VALUES[name])), refused=False)
    yield Attempt("model", "a pickle for weights", run(_pickled))
    yield Attempt("model", "an empty folder", run(lambda place: shutil.rmtree(place) or place.mkdir()))


def _pickled(place: Path) -> None:
    (place / "model.safetensors").unlink()
    (place / "pytorch_model.bin").write_bytes(poisoned(place.parent))


RUN_FILES = {
    "empty": b"", "text": b"not a table", "half": None, "JSON": b"{}", "null": b"null", "deep": b"[" * 100_000,
}  # fmt: skip


def of_run_folders(finished: Path) -> Iterator[Attempt]:
    """Finished runs whose files are missing, cut, foreign, or say something else, reported and loaded."""
    from rich.console import Console

    from congruence.report import summary
    from congruence.run import load_run

    def shown_of(run: Path) -> None:
        assert len(load_run(run).matches) >= 0
        Console(file=io.StringIO(), width=100).print(summary(run))

    def read(change: Callable[[Path], None], *, report: bool) -> Callable[[Path], Ended]:
        def act(folder: Path) -> Ended:
            shutil.copytree(
                finished, folder / "run", symlinks=True, ignore=shutil.ignore_patterns("activations", "cells")
            )
            change(folder / "run")
            loaded = call(load_run, folder / "run")
            if loaded.code:
                return command("report", folder / "run") if report else loaded
            return call(shown_of, folder / "run")

        return act

    (published,) = (finished / "generations").iterdir()
    for path in [*sorted(published.glob("*.parquet")), published / "run.json"]:
        inside = str(path.relative_to(finished))
        yield Attempt(
            "run",
            f"no {path.name}",
            read(lambda p, n=inside: (p / n).unlink(), report=False),
            refused=False,
        )
        for name, raw in RUN_FILES.items():
            content = path.read_bytes()[: path.stat().st_size // 2] if raw is None else raw
            change = _overwritten(inside, content)
            yield Attempt("run", f"{path.name} {name}", read(change, report=True))
    record = json.loads((published / "run.json").read_text())
    for key in record:
        for name, value in ODD_VALUES.items():
            change = _overwritten(
                str((published / "run.json").relative_to(finished)),
                json.dumps({**record, key: value}).encode(),
            )
            yield Attempt("run", f"run.json {key}={name}", read(change, report=False), refused=False)


def _overwritten(name: str, content: bytes) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / name).unlink()  # the file itself may be linked to a generation that must stay
        (run / name).write_bytes(content)

    return change
