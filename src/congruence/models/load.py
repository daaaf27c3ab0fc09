"""Language models from a folder, the Hub or its cache, through transformers."""

import contextlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from congruence.devices import why_not
from congruence.errors import ModelError
from congruence.models.adapters import Adapter, holds_both, is_adapter
from congruence.models.corpus_text import is_lfs_pointer
from congruence.models.hub_cache import adapter_on_hub, is_on_hub, snapshot_of
from congruence.models.language_model import LanguageModel
from congruence.models.loading_errors import one_line, own_code
from congruence.progress import working
from congruence.storage import content_key, stamped_file_key

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

Kind = Literal["auto", "causal", "masked"]

_SPREAD = ("auto", "balanced", "balanced_low_0", "sequential")
"""Words of accelerate for a device_map."""
_KEYED_SUFFIXES = (".safetensors", ".bin", ".gguf", ".json", ".model", ".txt", ".pt", ".py", ".jinja")


@dataclass(frozen=True)
class ModelOptions:
    """How a model is found and loaded.

    Attributes:
        device: where to put it; not used with `device_map`.
        dtype: a torch dtype or its name; "auto" for the checkpoint's own; None for float32.
        device_map: handed to transformers, e.g. "auto" to spread a model over GPUs (needs accelerate).
        quantization: "8bit", "4bit" (need bitsandbytes), or a configuration object of transformers.
        revision: branch, tag or commit on the Hub.
        kind: "causal" or "masked"; "auto" decides from the configuration.
        gguf_file: which file, where a folder holds several.
        cache_dir: the Hub's cache, where it isn't the usual one.
        base: the model that a PEFT adapter changes, where it isn't what the adapter's own file names.
        trust_remote_code: run Python code that comes with the model. Off unless asked for.
        further: handed to `from_pretrained`, e.g. attn_implementation="eager".
    """

    device: str = "cpu"
    dtype: Any = None
    device_map: Any = None
    quantization: Any = None
    revision: str | None = None
    kind: Kind = "auto"
    gguf_file: str | None = None
    cache_dir: str | Path | None = None
    base: str | Path | None = None
    trust_remote_code: bool = False
    further: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "ModelOptions":
        """Named options; those of another name are transformers'."""
        known = {f.name for f in fields(cls)} - {"further"}
        own = {name: value for name, value in options.items() if name in known}
        return cls(**own, further={name: value for name, value in options.items() if name not in known})


def load_model(path_or_id: str | Path, **options: Any) -> LanguageModel:
    """Load any causal or masked language model that transformers knows.

    Args:
        path_or_id: a folder in Hugging Face layout, a folder that holds a GGUF file, a GGUF file, a folder of
            the Hub's cache (`models--x--y`), a folder with a PEFT adapter (extra `peft`), or a Hub id; with
            HF_HUB_OFFLINE=1 the cache answers.
        **options: those of :class:`ModelOptions` by name; all others are handed to `from_pretrained`.

    Raises:
        ModelError: nothing is there, it can't be read, or weights are missing.
    """
    model = find_model(path_or_id, **options)
    _ = model.blocks, model.tokenizer
    return model


def find_model(path_or_id: str | Path, **options: Any) -> LanguageModel:
    """The same model, known by the key of its files; weights and tokenizer are loaded when first used.

    Args:
        path_or_id, **options: as in `load_model`.

    Raises:
        ModelError: no such folder; everything else that `load_model` raises comes when it is first used.
    """
    how = ModelOptions.of(options)
    folder, gguf_file = _locate(path_or_id, how.gguf_file)
    how = replace(how, gguf_file=gguf_file)
    adapter = None if gguf_file is not None else _adapter_at(path_or_id, folder, how)
    if adapter is not None:
        return _adapted(str(path_or_id) if folder is None else _called(path_or_id), adapter, how)
    if how.base is not None:
        raise ModelError(f"model {str(path_or_id)!r} is no PEFT adapter: leave base out")
    where = str(folder or path_or_id)
    source = _source(how, local=folder is not None)
    identity = _folder_identity(folder, gguf_file) if folder else _hub_identity(where, source)
    name = _called(path_or_id) if folder else str(path_or_id)
    return LanguageModel(name, _key(identity, how), StoredModel(where, folder is not None, source, how))


def _source(how: ModelOptions, *, local: bool) -> dict[str, Any]:
    hub = {} if local else {"revision": how.revision, "cache_dir": how.cache_dir}
    return {k: v for k, v in {**hub, "gguf_file": how.gguf_file}.items() if v is not None}


def _key(identity: Any, how: ModelOptions) -> str:
    """What decides the numbers: files, dtype, quantization, and whether its own code computes them."""
    dtype = str(how.dtype or "float32").removeprefix("torch.")
    trusted = ["trust_remote_code"] if how.trust_remote_code else []
    return content_key([identity, dtype, _plain(how.quantization), how.kind, *trusted])


def _adapter_at(path_or_id: str | Path, folder: Path | None, how: ModelOptions) -> Adapter | None:
    """The PEFT adapter in a folder or on the Hub; None where there is none."""
    told = f"model {str(path_or_id)!r}" if folder is None else f"model folder {str(folder)!r}"
    if folder is None:
        folder = adapter_on_hub(str(path_or_id), revision=how.revision, cache_dir=how.cache_dir)
    if folder is None:
        return None
    if holds_both(folder):
        raise ModelError(f"{told} holds a model and a PEFT adapter: name a folder with the files of one")
    return Adapter.of(folder, how.base, told) if is_adapter(folder) else None


def _adapted(name: str, adapter: Adapter, how: ModelOptions) -> LanguageModel:
    """A base model with an adapter merged into it; `revision` is the adapter's own."""
    options = replace(how, base=None, revision=adapter.base_revision)
    if not Path(adapter.base).expanduser().exists() and not is_on_hub(
        adapter.base, revision=options.revision, cache_dir=how.cache_dir
    ):
        raise ModelError(
            f"{adapter.told} is a {adapter.kind} adapter of {adapter.base!r}, which is no folder here and "
            "neither in the Hub's cache nor to be had from it: download it, or set base to its folder"
        )
    base = find_model(adapter.base, **_by_name(options))
    return LanguageModel(name, content_key(["peft", base.key, adapter.identity]), AdaptedModel(base, adapter))


def _by_name(how: ModelOptions) -> dict[str, Any]:
    return {f.name: getattr(how, f.name) for f in fields(how) if f.name != "further"} | dict(how.further)


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model in a folder or on the Hub, with how it is to be loaded.

    Attributes:
        where: folder or Hub id.
        local: whether it is a folder.
        source: what tells the file: revision, cache_dir, gguf_file.
        how: everything else.
    """

    where: str
    local: bool
    source: dict[str, Any]
    how: ModelOptions

    def module(self) -> "nn.Module":
        """Load the weights."""
        how = self.how
        with working(f"load {Path(self.where).name}"), self._one_line():
            config, _ = self._config_and_tokenizer
            auto = _auto_class(self.where, config, how.kind)
            placement = _placement(how.device, how.device_map, how.quantization)
            _check_devices(how)
            module, report = auto.from_pretrained(
                self.where,
                dtype=_dtype(how.dtype),
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported by _check_loaded, in one line
                trust_remote_code=how.trust_remote_code,
                **self.source,
                **placement,
                **how.further,
            )
            if "device_map" not in placement:
                module.to(how.device)
        _check_loaded(module, report, self.where)
        log.info("loaded %s (%s)", self.where, type(module).__name__)
        return module

    def tokenizer(self) -> Any:
        """Load the tokenizer alone."""
        with self._one_line():
            return self._config_and_tokenizer[1]

    @cached_property
    def _config_and_tokenizer(self) -> tuple[Any, Any]:
        trusted = {"trust_remote_code": self.how.trust_remote_code}
        return _config_and_tokenizer(self.where, {**self.source, **trusted})

    def _one_line(self) -> contextlib.AbstractContextManager[None]:
        return one_line(self.where if self.local else f"{self.where} (no folder here, so a Hub id)")


@dataclass(frozen=True, eq=False)
class AdaptedModel:
    """A base model into which a PEFT adapter is merged when it is loaded."""

    base: LanguageModel
    adapter: Adapter

    def module(self) -> "nn.Module":
        """The base with the adapter's changes added to its weights."""
        with working("merge the adapter"), one_line(self.adapter.label):
            loaded = self.base.opening.module()
            return self.adapter.merged(loaded, self.tokenizer())

    def tokenizer(self) -> Any:
        """The adapter's own where it has one, else the base's."""
        if not self.adapter.has_tokenizer:
            return self.base.tokenizer
        with one_line(self.adapter.label):
            from transformers import AutoTokenizer

            return AutoTokenizer.from_pretrained(self.adapter.folder)


def _locate(path_or_id: str | Path, gguf_file: str | None) -> tuple[Path | None, str | None]:
    """The folder, None for a Hub id, and the GGUF file in it, if that is what it holds."""
    path = Path(path_or_id).expanduser()
    if path.is_file():
        if path.suffix != ".gguf":
            raise ModelError(f"model {str(path)!r} is a file: name the folder that holds it")
        return path.parent, path.name
    if not path.is_dir():
        text = str(path_or_id)
        if isinstance(path_or_id, Path) or text.startswith((".", "/", "~")) or text.count("/") > 1:
            raise ModelError(f"model folder {text!r} doesn't exist: check the path, or name a Hub id")
        return None, gguf_file
    path = snapshot_of(path)
    _require_content(path)
    if gguf_file is None and not (path / "config.json").exists() and not is_adapter(path):
        found = sorted(p.name for p in path.glob("*.gguf"))
        if len(found) != 1:
            problem = (
                "holds no config.json and no GGUF file" if not found else f"holds {len(found)} GGUF files"
            )
            remedy = "name another folder" if not found else "name the .gguf file itself"
            raise ModelError(f"model folder {str(path)!r} {problem}: {remedy}")
        gguf_file = found[0]
    return path.absolute(), gguf_file


def _called(path_or_id: str | Path) -> str:
    """The name of a folder or file as the user gave it, never that of a link's target."""
    path = Path(path_or_id).expanduser()
    folder = path.parent if path.is_file() else path
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def _require_content(folder: Path) -> None:
    for file in sorted(folder.iterdir()):
        if file.suffix in _KEYED_SUFFIXES and file.is_file() and is_lfs_pointer(file):
            raise ModelError(
                f"model folder {str(folder)!r}: {file.name} is a Git LFS pointer: fetch it by `git lfs pull`"
            )


def _config_and_tokenizer(where: str, source: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(where, **source)
    except Exception as error:
        raise own_code(where, source) or error from error
    _check_config(config, where)
    refusal = f"model {where!r} has no tokenizer that can be read: put its tokenizer.json beside its weights"
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **source)
    except Exception as error:
        raise ModelError(refusal) from error
    if not set(tokenizer.get_vocab()) - set(tokenizer.get_added_vocab()):
        raise ModelError(refusal)  # transformers makes an empty one where no file is
    return config, tokenizer


def _check_config(config: Any, where: str) -> None:
    """Refuse sizes that no model has."""
    text = config.get_text_config()
    for name in ("num_hidden_layers", "hidden_size", "vocab_size", "num_attention_heads"):
        value = getattr(text, name, 1)
        if isinstance(value, bool) or not isinstance(value, int | None) or (value is not None and value < 1):
            raise ModelError(
                f"model {where!r}: {name} is {value!r} in its config.json, not a whole number from 1: "
                "get the file anew"
            )


def _auto_class(where: str, config: Any, kind: Kind) -> Any:
    """Causal or masked: by the name of the saved class, else by what transformers knows for the type."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED,
    )

    if kind not in ("auto", "causal", "masked"):
        raise ModelError(f"kind {kind!r} isn't known: write 'auto', 'causal' or 'masked'")
    saved = " ".join(getattr(config, "architectures", None) or [])
    model_type = config.model_type
    remote = bool(getattr(config, "auto_map", None))
    if kind == "auto":
        masked = "MaskedLM" in saved or (
            model_type in MASKED
            and not ("CausalLM" in saved or "LMHead" in saved)
            and not (model_type in CAUSAL and getattr(config, "is_decoder", False))
        )
        kind = "masked" if masked else "causal"
    if not remote and model_type not in (MASKED if kind == "masked" else CAUSAL):
        raise ModelError(
            f"model {where!r} is of type {model_type!r}, which transformers doesn't know as a {kind} "
            "language model"
        )
    return AutoModelForMaskedLM if kind == "masked" else AutoModelForCausalLM


def _dtype(dtype: Any) -> Any:
    import torch

    if dtype is None:
        return torch.float32
    if isinstance(dtype, str) and dtype != "auto":
        found = getattr(torch, dtype.removeprefix("torch."), None)
        if not isinstance(found, torch.dtype):
            raise ModelError(f"dtype {dtype!r} isn't a torch dtype: write 'float32', 'float16' or 'bfloat16'")
        return found
    return dtype


def _placement(device: str, device_map: Any, quantization: Any) -> dict[str, Any]:
    if quantization is None:
        return {} if device_map is None else {"device_map": device_map}
    if isinstance(quantization, str):
        if quantization not in ("8bit", "4bit"):
            raise ModelError(f"quantization {quantization!r} isn't known: write '8bit' or '4bit'")
        from transformers import BitsAndBytesConfig

        quantization = BitsAndBytesConfig(
            load_in_8bit=quantization == "8bit", load_in_4bit=quantization == "4bit"
        )
    return {"quantization_config": quantization, "device_map": device_map or {"": device}}


def _check_devices(how: ModelOptions) -> None:
    """Refuse a device that isn't there, before weights are read."""
    map_ = how.device_map
    named = [how.device] if map_ is None else [map_] if isinstance(map_, str) else []
    for device in named:
        if device not in _SPREAD and (reason := why_not(device)):
            raise ModelError(reason)


def _check_loaded(module: Any, report: Any, where: str) -> None:
    """Refuse a model whose body would be random; a fresh head doesn't matter, no hook reads it."""
    body = f"{module.base_model_prefix}."
    mismatched = sorted(str(name) for name in report.get("mismatched_keys") or [])
    missing = sorted(name for name in report.get("missing_keys") or [] if name.startswith(body))
    if missing or mismatched:
        first = (missing or mismatched)[0]
        raise ModelError(
            f"model {where!r} lacks {len(missing) + len(mismatched)} weights of {type(module).__name__} "
            f"(e.g. {first}): they would be random, so the files don't belong to this configuration"
        )


def _folder_identity(folder: Path, gguf_file: str | None) -> Any:
    """Names and bytes of the files that decide the numbers and the tokens."""
    if gguf_file is not None:
        return stamped_file_key(folder / gguf_file)
    files = (p for p in folder.iterdir() if p.is_file() and p.suffix in _KEYED_SUFFIXES)
    return [[p.name, stamped_file_key(p)] for p in sorted(files) if not p.name.startswith(".")]


def _hub_identity(name: str, source: dict[str, Any]) -> Any:
    """The id and the commit of the revision; the revision itself where neither Hub nor cache can tell it.

    `source` then names that commit, so that what is loaded later is what the key says.
    """
    from huggingface_hub import hf_hub_download

    revision = source.get("revision")
    file = source.get("gguf_file", "config.json")
    try:
        cached = hf_hub_download(name, file, cache_dir=source.get("cache_dir"), revision=revision)
    except Exception:  # offline and not cached, no such repository: loading says which
        return [name, file, revision]
    commit = re.search(r"[/\\]snapshots[/\\]([0-9a-f]+)[/\\]", cached)
    if commit is None:
        return [name, file, revision]
    source["revision"] = commit[1]
    return [name, file, commit[1]]


def _plain(quantization: Any) -> Any:
    return quantization.to_dict() if hasattr(quantization, "to_dict") else quantization
