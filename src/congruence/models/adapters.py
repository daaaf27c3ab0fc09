"""PEFT adapters: a folder of changes to another model, merged into its weights."""

import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.errors import ModelError
from congruence.storage import stamped_file_key
from congruence.wording import install

if TYPE_CHECKING:
    from torch import nn

CONFIG = "adapter_config.json"
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_MODEL = re.compile(r"(?:model.*\.safetensors|pytorch_model.*\.bin|.*\.gguf)(?:\.index\.json)?")
_OF_THE_BASE = ("base_model_name_or_path", "revision")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model; trainers leave the base's config.json beside it."""
    if not (folder / CONFIG).is_file():
        return False
    return not (folder / "config.json").exists() or not _has_model(folder)


def holds_both(folder: Path) -> bool:
    """Whether weights of a model lie beside an adapter's; transformers would load neither alone."""
    has_adapter = (folder / CONFIG).is_file() and any((folder / name).is_file() for name in _WEIGHTS)
    return has_adapter and (folder / "config.json").exists() and _has_model(folder)


def _has_model(folder: Path) -> bool:
    return any(_MODEL.fullmatch(path.name) for path in folder.iterdir())


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder.

    Attributes:
        folder: where its files are.
        base: folder or Hub id of the model that it changes.
        kind: PEFT's name of what it is, e.g. LORA.
        told: what messages call it: its folder or Hub id.
        base_revision: branch, tag or commit of the base on the Hub, as its file says.
    """

    folder: Path
    base: str
    kind: str
    told: str
    base_revision: str | None = None

    @property
    def label(self) -> str:
        """Its folder or Hub id."""
        return self.told.partition("'")[2].removesuffix("'") or self.told

    @classmethod
    def of(cls, folder: Path, base: str | Path | None, told: str) -> "Adapter":
        """Read what it says of itself.

        Args:
            folder: holds adapter_config.json.
            base: the model it changes, where its file names another place.
            told: what messages call it.

        Raises:
            ModelError: its file can't be read or names no base, weights are missing, or peft isn't installed.
        """
        try:
            record = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder / CONFIG} can't be read: {error}") from error
        record = record if isinstance(record, dict) else {}
        named, kind = base or record.get("base_model_name_or_path"), str(record.get("peft_type", "PEFT"))
        if not isinstance(named, str | Path) or not str(named):
            raise ModelError(
                f"{told} is a {kind} adapter and names no base model: set base to its folder or Hub id"
            )
        if not any((folder / name).is_file() for name in _WEIGHTS):
            raise ModelError(f"{told} is a {kind} adapter without {_WEIGHTS[0]}: fetch it")
        _require_peft(told, kind, str(named))
        beside = folder / named if base is None else Path(named)  # a path in its file may be seen from there
        found = str(beside) if beside.is_dir() and not Path(named).is_dir() else str(named)
        revision = record.get("revision") if base is None else None
        return cls(folder, found, kind, told, revision if isinstance(revision, str) else None)

    @property
    def identity(self) -> list[Any]:
        """What it says of itself, but not where its base lies, and the files that decide the numbers."""
        record = json.loads((self.folder / CONFIG).read_text(encoding="utf-8"))
        told = {name: value for name, value in record.items() if name not in _OF_THE_BASE}
        files = (*_WEIGHTS, *_TOKENIZERS, "tokenizer_config.json", "special_tokens_map.json")
        found = [self.folder / name for name in files if (self.folder / name).is_file()]
        return [told, *([path.name, stamped_file_key(path)] for path in found)]

    @property
    def has_tokenizer(self) -> bool:
        """Whether a tokenizer lies beside it."""
        return any((self.folder / name).is_file() for name in _TOKENIZERS)

    def merged(self, module: "nn.Module", tokenizer: Any) -> "nn.Module":
        """The base with the changes added to its weights.

        Args:
            module: the base; it is changed in place.
            tokenizer: the adapter's; for tokens that the base doesn't know its embedding is widened.

        Raises:
            ModelError: the adapter doesn't belong to this base.
        """
        from peft import PeftModel, get_peft_model_state_dict

        embedding: Any = module.get_input_embeddings()  # pyright: ignore[reportCallIssue]
        if len(tokenizer) > embedding.weight.shape[0]:
            module.resize_token_embeddings(len(tokenizer))  # pyright: ignore[reportCallIssue]
        device = str(embedding.weight.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they are about is refused below, or of no matter here
            loaded: Any = module
            model: Any = PeftModel.from_pretrained(loaded, str(self.folder), torch_device=device)
            _check_names(self, set(self._tensors()), set(get_peft_model_state_dict(model)))
            return model.merge_and_unload()

    def _tensors(self) -> list[str]:
        weights = next(self.folder / name for name in _WEIGHTS if (self.folder / name).is_file())
        if weights.suffix == ".bin":
            import torch

            return list(torch.load(weights, map_location="cpu", weights_only=True))
        from safetensors import safe_open

        with safe_open(weights, "pt") as file:
            return list(file.keys())


def _check_names(adapter: Adapter, stored: set[str], wanted: set[str]) -> None:
    """Refuse an adapter whose tensors went nowhere: peft would leave the base as it is, and say nothing."""
    if missing := sorted(wanted - stored):
        raise ModelError(
            f"{adapter.told}: its {adapter.kind} adapter lacks {len(missing)} of "
            f"{len(wanted)} tensors for {adapter.base!r} (e.g. {missing[0]}): it belongs to another base"
        )


def _require_peft(told: str, kind: str, base: str) -> None:
    try:
        import peft  # noqa: F401
    except ImportError:
        raise ModelError(
            f"{told} is a {kind} adapter of {base!r}: install peft "
            f"({install('peft')}) to have it merged, or name the folder of a merged model"
        ) from None
