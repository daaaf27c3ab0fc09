"""Reading the configuration of `congruence train-sae`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from congruence.config.parsing import describe, local_or_hub, read_yaml
from congruence.config.sections import CorpusConfig
from congruence.errors import ConfigError
from congruence.training.config import TrainSaeConfig

_OF_DATASETS = ("dataset", "dataset_config", "split")


def load_training_config(
    path: Path, *, model: str | None = None, corpus: str | None = None, seeds: Sequence[int] = ()
) -> TrainSaeConfig:
    """Read a YAML configuration; relative paths in it are taken from its own folder.

    Args:
        path: the file.
        model: replaces the file's `model`, seen from the working folder.
        corpus: replaces the file's `corpus` path, its other settings staying.
        seeds: replace the file's `seeds`.

    Raises:
        ConfigError: the file is missing, isn't YAML, or doesn't describe a training.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds {type(raw).__name__}, not a mapping with model and corpus")
    if model is not None:
        raw["model"] = local_or_hub(model, Path())
    if corpus is not None:
        given = raw["corpus"] if isinstance(raw.get("corpus"), dict) else {}
        kept = {key: value for key, value in given.items() if key not in _OF_DATASETS}
        raw["corpus"] = {**kept, "path": str(Path(corpus).expanduser().resolve())}
    if seeds:
        raw["seeds"] = list(seeds)
    return parse_training_config(raw, base=path.parent, origin=str(path))


def parse_training_config(raw: Any, *, base: Path = Path(), origin: str = "config") -> TrainSaeConfig:
    """Validate a mapping as a training configuration.

    Raises:
        ConfigError: one line that names the first wrong key, its value and the remedy.
    """
    try:
        config = TrainSaeConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {describe(error, TrainSaeConfig)}") from None
    held_out = None if config.held_out is None else _placed(config.held_out, base)
    return config.model_copy(
        update={
            "model": local_or_hub(config.model, base),
            "corpus": _placed(config.corpus, base),
            "held_out": held_out,
        }
    )


def _placed(corpus: CorpusConfig, base: Path) -> CorpusConfig:
    return corpus.model_copy(update={"path": local_or_hub(corpus.path, base)})
