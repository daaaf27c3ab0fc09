"""Language models from a folder, the Hub or its cache, through transformers."""

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from congruence.errors import ModelError
from congruence.models.corpus_text import is_lfs_pointer
from congruence.models.hub_cache import snapshot_of
from congruence.models.language_model import LanguageModel
from congruence.storage import content_key, stamped_file_key

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

Kind = Literal["auto", "causal", "masked"]

_KEYED_SUFFIXES = (".safetensors", ".bin", ".gguf", ".json", ".model", ".txt", ".pt", ".py", ".jinja")


def load_model(
    path_or_id: str | Path,
    *,
    device: str = "cpu",
    dtype: Any = None,
    device_map: Any = None,
    quantization: Any = None,
    revision: str | None = None,
    kind: Kind = "auto",
    gguf_file: str | None = None,
    cache_dir: str | Path | None = None,
    trust_remote_code: bool = False,
    **options: Any,
) -> LanguageModel:
    """Load any causal or masked language model that transformers knows.

    Args:
        path_or_id: a folder in Hugging Face layout, a folder that holds a GGUF file, a GGUF file, a folder
            of the Hub's cache (`models--x--y`), or a Hub id; with HF_HUB_OFFLINE=1 the cache answers.
        device: where to put it; not used with `device_map`.
        dtype: a torch dtype or its name; "auto" for the checkpoint's own; None for float32.
        device_map: handed to transformers, e.g. "auto" to spread a model over GPUs (needs accelerate).
        quantization: "8bit", "4bit" (need bitsandbytes), or a configuration object of transformers.
        revision: branch, tag or commit on the Hub.
        kind: "causal" or "masked"; "auto" decides from the configuration.
        gguf_file: which file, where a folder holds several.
        cache_dir: the Hub's cache, where it isn't the usual one.
        trust_remote_code: run Python code that comes with the model. Off unless asked for.
        **options: handed to `from_pretrained`, e.g. attn_implementation="eager".

    Raises:
        ModelError: nothing is there, it can't be read, or weights are missing.
    """
    model = find_model(
        path_or_id,
        device=device,
        dtype=dtype,
        device_map=device_map,
        quantization=quantization,
        revision=revision,
        kind=kind,
        gguf_file=gguf_file,
        cache_dir=cache_dir,
        trust_remote_code=trust_remote_code,
        **options,
    )
    _ = model.blocks, model.tokenizer
    return model


def find_model(
    path_or_id: str | Path,
    *,
    device: str = "cpu",
    dtype: Any = None,
    device_map: Any = None,
    quantization: Any = None,
    revision: str | None = None,
    kind: Kind = "auto",
    gguf_file: str | None = None,
    cache_dir: str | Path | None = None,
    trust_remote_code: bool = False,
    **options: Any,
) -> LanguageModel:
    """The same model, known by the key of its files; weights and tokenizer are loaded when first used.

    Args:
        path_or_id, device, dtype, device_map, quantization, revision, kind, gguf_file, cache_dir,
            trust_remote_code: as in `load_model`.
        **options: handed to `from_pretrained`.

    Raises:
        ModelError: no such folder; everything else that `load_model` raises comes when it is first used.
    """
    folder, gguf_file = _locate(path_or_id, gguf_file)
    hub = {} if folder else {"revision": revision, "cache_dir": cache_dir}
    source = {k: v for k, v in {**hub, "gguf_file": gguf_file}.items() if v is not None}
    where = str(folder or path_or_id)
    identity = _folder_identity(folder, gguf_file) if folder else _hub_identity(where, source)
    key = content_key([identity, str(dtype or "float32").removeprefix("torch."), _plain(quantization), kind])
    name = _called(path_or_id) if folder else str(path_or_id)
    stored = StoredModel(
        where=where,
        local=folder is not None,
        source=source,
        kind=kind,
        device=device,
        dtype=dtype,
        device_map=device_map,
        quantization=quantization,
        trust_remote_code=trust_remote_code,
        options=options,
    )
    return LanguageModel(name, key, stored)


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model in a folder or on the Hub, with how it is to be loaded; see `load_model`.

    Attributes:
        where: folder or Hub id.
        local: whether it is a folder.
        source: what tells the file: revision, cache_dir, gguf_file.
        kind, device, dtype, device_map, quantization, trust_remote_code, options: as in `load_model`.
    """

    where: str
    local: bool
    source: dict[str, Any]
    kind: Kind
    device: str
    dtype: Any
    device_map: Any
    quantization: Any
    trust_remote_code: bool
    options: dict[str, Any]

    def module(self) -> "nn.Module":
        """Load the weights."""
        with self._one_line():
            config, _ = self._config_and_tokenizer
            auto = _auto_class(self.where, config, self.kind)
            placement = _placement(self.device, self.device_map, self.quantization)
            module, report = auto.from_pretrained(
                self.where,
                dtype=_dtype(self.dtype),
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported by _check_loaded, in one line
                trust_remote_code=self.trust_remote_code,
                **self.source,
                **placement,
                **self.options,
            )
            if "device_map" not in placement:
                module.to(self.device)
        _check_loaded(module, report, self.where)
        log.info("loaded %s (%s)", self.where, type(module).__name__)
        return module

    def tokenizer(self) -> Any:
        """Load the tokenizer alone."""
        with self._one_line():
            return self._config_and_tokenizer[1]

    @cached_property
    def _config_and_tokenizer(self) -> tuple[Any, Any]:
        return _config_and_tokenizer(self.where, {**self.source, "trust_remote_code": self.trust_remote_code})

    def _one_line(self) -> contextlib.AbstractContextManager[None]:
        return _one_line(self.where if self.local else f"{self.where} (no folder here, so a Hub id)")


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
    if gguf_file is None and not (path / "config.json").exists():
        found = sorted(p.name for p in path.glob("*.gguf"))
        if len(found) != 1:
            problem = (
                "holds no config.json and no GGUF file" if not found else f"holds {len(found)} GGUF files"
            )
            raise ModelError(f"model folder {str(path)!r} {problem}: name another folder, or gguf_file")
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

    config = AutoConfig.from_pretrained(where, **source)
    refusal = f"model {where!r} has no tokenizer that can be read: put its tokenizer.json beside its weights"
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **source)
    except Exception as error:
        raise ModelError(refusal) from error
    if not set(tokenizer.get_vocab()) - set(tokenizer.get_added_vocab()):
        raise ModelError(refusal)  # transformers makes an empty one where no file is
    return config, tokenizer


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


@contextlib.contextmanager
def _one_line(where: str) -> Iterator[None]:
    """Whatever transformers raises while loading, as one line that names the model, and none of its notes."""
    from transformers.utils import logging as bars

    noisy = [logging.getLogger("huggingface_hub"), bars.get_logger("transformers")]
    levels, shown = [logger.level for logger in noisy], bars.is_progress_bar_enabled()
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    bars.disable_progress_bar()
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0] if lines else type(error).__name__
        raise ModelError(f"model {where!r} can't be loaded: {reason[:300]}") from error
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)
        if shown:
            bars.enable_progress_bar()
