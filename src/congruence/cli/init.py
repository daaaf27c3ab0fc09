"""`congruence init MODEL_A MODEL_B`."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

import click

from congruence.errors import ConfigError, StorageError, quoted


@click.command("init")
@click.argument("model_a")
@click.argument("model_b")
@click.option("--saes-a", help="SAEs of MODEL_A: a folder or Hub id, {layer} and wildcards may stand in it.")
@click.option("--saes-b", help="The same of MODEL_B.")
@click.option("--corpus", help="A text file or folder, or a data set of the Hub as owner/name.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; default: to the screen.")
def command(
    model_a: str,
    model_b: str,
    *,
    saes_a: str | None,
    saes_b: str | None,
    corpus: str | None,
    out: Path | None,
) -> None:
    """Write a commented configuration that compares MODEL_A and MODEL_B, folders or Hub ids.

    `congruence run` accepts it as it is. Without SAEs the hidden units themselves are compared; without
    --corpus the text is that of the package's demo.
    """
    from congruence.config.parsing import load_config, parse_config
    from congruence.config.steps import check_names
    from congruence.config.template import template
    from congruence.storage.atomic import write_text
    from congruence.strict_files import parse_strict

    if out is not None and out.exists():
        raise StorageError(f"--out {quoted(str(out))} exists: name another file, or remove it")
    config = {
        "a": _side(model_a, saes_a, "a"),
        "b": _side(model_b, saes_b, "b"),
        "corpus": _corpus(corpus),
        "pairing": {"method": "many_to_one", "from": "b", "keep": "best"},
        "filters": ["non_concept", "shared_token", {"min_r": 0.1}, {"min_cofirings": 5}],
        "measures": ["translation_accuracy", "pc1_correlation", {"svcca": {"n_components": "n/10"}}, "rsa"],
        "null": {"kind": "pairing", "draws": 1000},
        "seed": 0,
    }
    name = str(out) if out else "FILE"
    head = [f"congruence run {name} --out runs/first", f"congruence validate {name} says what it would do."]
    text = template(config, head=head)
    check_names(parse_config(parse_strict(text, "the configuration", ConfigError), there=True))
    if out is None:
        click.echo(text, nl=False)
        return
    write_text(out, text)
    load_config(out, there=True)
    click.echo(f"{out} is written: read it, then congruence validate {out}")


def _side(model: str, saes: str | None, side: str) -> dict[str, Any]:
    found: dict[str, Any] = {"model": _place(model, f"MODEL_{side.upper()}", "a model's folder")}
    if saes is None:
        return found | {"features": "neurons", "layers": "all"}
    return found | {"saes": _place(saes, f"--saes-{side}", "a folder of SAEs"), "layers": "all"}


def _corpus(corpus: str | None) -> dict[str, Any]:
    if corpus is None:
        text = resources.files("congruence") / "assets" / "demo" / "text" / "comparison.jsonl"
        return {"path": str(text), "documents": 100, "max_tokens": 256}
    place = _place(corpus, "--corpus", "a text file or folder")
    kind = "path" if Path(place).exists() else "dataset"
    return {kind: place, "documents": 100, "max_tokens": 300}


def _place(name: str, what: str, wanted: str) -> str:
    """The absolute path of what exists, or what can be a Hub id.

    Raises:
        ConfigError: it is neither.
    """
    from congruence.config.parsing import expand
    from congruence.storage.places import stands_for_something

    path = Path(expand(name, what)).absolute()
    if name.strip() and stands_for_something(path):
        return str(path)
    if not is_hub_id(name):
        raise ConfigError(f"{what} = {quoted(name)} doesn't exist: give {wanted}, or owner/name of the Hub")
    return name


def is_hub_id(name: str) -> bool:
    """Whether the Hub could have something of that name: owner/name, perhaps with a folder below it.

    >>> is_hub_id("org/model"), is_hub_id("gpt2"), is_hub_id("./models/x"), is_hub_id("/models/x")
    (True, True, False, False)
    """
    parts = name.split("/")
    plain = all(re.fullmatch(r"[\w{*?][\w.{}*?-]*", part) for part in parts)
    return plain and not name.endswith((".json", ".yaml", ".safetensors", ".txt", ".pt", ".npz"))
