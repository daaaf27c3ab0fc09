"""Training SAEs on a language model's activations: from a configuration to a folder for each SAE.

OUT/seed0/blocks.3.hook_resid_post/   the SAE as its format has it, and training.json with its figures
OUT/.checkpoints/                     only while training
OUT/.activations/                     so, unless the configuration names another folder, which stays
OUT/run.log                           what was trained and what was found finished
"""

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from congruence.errors import StorageError
from congruence.hook_names import HookPoint
from congruence.models import LanguageModel
from congruence.progress import Progress, Silent
from congruence.rng import derive_seed
from congruence.saes import load_sae
from congruence.saes.fit import Fit, FitMeter
from congruence.storage import (
    OtherKind,
    atomic_folder,
    content_key,
    is_there,
    open_artefact,
    whole_or_none,
    write_artefact,
)
from congruence.storage.run_folder import held, open_folder, run_log
from congruence.storage.temporary import left_over, remove
from congruence.threads import torch_threads
from congruence.training.config import TrainSaeConfig
from congruence.training.inputs import training_hooks, training_model, training_tokens
from congruence.training.kept import KeptActivations
from congruence.training.loop import remove_checkpoints, train
from congruence.training.portions import Portions, portion_size
from congruence.training.sae_lens_trainer import make_trainer, require_sae_lens, store_trained
from congruence.training.stream import ActivationRounds

logger = logging.getLogger(__name__)

FIGURES, ACTIVATIONS = "training.json", ".activations"
_KIND, _FORMAT_VERSION, _UNSEALED = "sae-training", 2, 1
_ROWS, _PORTIONS = 1, 2
"""Versions of the order in which an SAE sees its text: row by row at random, and portion by portion."""


@dataclass(frozen=True)
class TrainedSae:
    """One finished SAE.

    Attributes:
        hook: where it reads.
        seed: which of the configuration's seeds.
        path: its folder.
        quality: figures on held-out tokens, measured on the stored file.
        reused: whether it was there before.
    """

    hook: HookPoint
    seed: int
    path: Path
    quality: Fit
    reused: bool


def train_saes(config: TrainSaeConfig, out: Path, *, progress: Progress | None = None) -> list[TrainedSae]:
    """Train the SAEs that aren't in `out` yet; layers, seeds and epochs share one capture of the text.

    Args:
        config: what to train.
        out: folder of the results and, while training, of checkpoints and activations.
        progress: is told after each forward pass and each step.

    Returns:
        All SAEs of the configuration, by seed and layer.

    Raises:
        CongruenceError: one line that says what is wrong with the configuration, the model or the text.
    """
    require_sae_lens()
    folder = open_folder(out)
    with torch_threads(config.threads), run_log(folder), held(folder):
        model = training_model(config)
        tokens, held_out = training_tokens(config, model)
        logger.info("training on %d tokens, holding out %d", tokens.n, held_out.n)
        progress = progress or Silent()
        kept = _kept(config, folder.path)
        size, passes = portion_size(config.training.buffer), config.batch_tokens
        text = Portions(model, tokens, size, passes, kept, progress)
        apart = Portions(model, held_out, size, passes, kept, progress, "capturing held-out text")
        jobs = [_Seed(config, out, seed, text, apart, progress) for seed in config.seeds]
        finished = [sae for job in jobs for sae in job.results(training_hooks(config, model))]
        if config.activations is None:
            remove(kept.folder)
        return finished


def _kept(config: TrainSaeConfig, out: Path) -> KeptActivations:
    """Where activations are kept, rid of what killed processes left there."""
    folder = Path(config.activations) if config.activations else out / ACTIVATIONS
    for path in [*left_over(folder, alone=False)]:
        remove(path)
    return KeptActivations(folder, config.keep_gb * 1e9)


@dataclass(frozen=True)
class _Seed:
    """All layers of one seed."""

    config: TrainSaeConfig
    out: Path
    seed: int
    text: Portions
    held_out: Portions
    progress: Progress

    @property
    def model(self) -> LanguageModel:
        return self.text.model

    def results(self, hooks: Sequence[HookPoint]) -> list[TrainedSae]:
        """The SAE of each hook point: found, or trained now."""
        missing = [hook for hook in hooks if self._found(hook) is None]
        if missing:
            self._train({str(hook): hook for hook in missing})
        found = {hook: self._found(hook) for hook in hooks}
        return [
            TrainedSae(hook, self.seed, self._folder(hook), quality, reused=hook not in missing)
            for hook, quality in found.items()
            if quality is not None
        ]

    def _train(self, hooks: Mapping[str, HookPoint]) -> None:
        """Train to the end, then store; checkpoints go only when all of that is done."""
        training, started = self.config.training, time.perf_counter()
        trainers = {name: self._trainer(hook) for name, hook in hooks.items()}
        folders = {name: self._checkpoints(hook) for name, hook in hooks.items()}
        task = f"seed {self.seed}: {len(hooks)} SAE{'s' if len(hooks) > 1 else ''}"
        logger.info("%s: training %s", task, ", ".join(hooks))
        train(
            trainers,
            self._stream(tuple(hooks)),
            training,
            checkpoints=folders,
            on_step=lambda step, losses: self.progress.advance(task, step, training.steps, "steps"),
        )
        self._store(hooks, trainers, time.perf_counter() - started)
        for hook in hooks.values():
            for order in (_ROWS, _PORTIONS):
                remove_checkpoints(self._checkpoints(hook, order))

    def _trainer(self, hook: HookPoint) -> Any:
        width = self._widths[str(hook)]
        return make_trainer(
            self.config.sae,
            self.config.training,
            d_in=width,
            seed=derive_seed(self.seed, "weights", str(hook)),
            device=str(self.model.device),
            metadata=self._metadata(hook),
        )

    def _stream(self, names: tuple[str, ...]) -> ActivationRounds:
        return ActivationRounds(
            portions=self.text,
            hook_names=names,
            seed=derive_seed(self.seed, "data"),
            batch=self.config.training.batch,
            buffer=self.config.training.buffer,
        )

    def _store(self, hooks: Mapping[str, HookPoint], trainers: Mapping[str, Any], seconds: float) -> None:
        """Write the SAEs, measure what was written, and let the folders appear with their figures."""
        with contextlib.ExitStack() as stack:
            folders = {
                name: stack.enter_context(atomic_folder(self._folder(hook))) for name, hook in hooks.items()
            }
            for name, folder in folders.items():
                store_trained(
                    trainers[name], folder, format_name=self.config.format, dtype=self.config.store_dtype
                )
            for name, quality in self._measured(folders).items():
                record = self._record(hooks[name], quality, seconds)
                _seal(folders[name], record)
                logger.info("%s, seed %d: FVU %.3f, L0 %.1f", name, self.seed, quality.fvu, quality.l0)

    def _measured(self, folders: Mapping[str, Path]) -> dict[str, Fit]:
        device = str(self.model.device)
        meters = {
            name: FitMeter(load_sae(folder, device=device, dtype="float32"))
            for name, folder in folders.items()
        }
        for acts in self.held_out.each(range(len(self.held_out.rows)), list(meters)):
            for name, meter in meters.items():
                for part in acts[name].split(self.config.batch_tokens):
                    meter.update(part)
        return {name: meter.result() for name, meter in meters.items()}

    def _record(self, hook: HookPoint, quality: Fit, seconds: float) -> dict[str, Any]:
        training = self.config.training
        return {
            "key": self._key(hook),
            "model": self.model.name,
            "hook_name": str(hook),
            "seed": self.seed,
            "quality": asdict(quality),
            "sae": self.config.sae.model_dump(exclude_unset=True),
            "training": training.model_dump(),
            "tokens_seen": training.steps * training.batch,
            "tokens_in_corpus": self.text.tokens.n,
            "seconds": round(seconds, 1),
            "versions": {name: version(name) for name in ("congruence", "sae-lens", "torch")},
        }

    def _found(self, hook: HookPoint) -> Fit | None:
        """The figures of a finished SAE that is as it was stored; one that isn't is set aside.

        Raises:
            StorageError: the folder holds an SAE of other settings, or a newer congruence wrote it.
        """
        folder = self._folder(hook)
        record = whole_or_none(folder, _opened)
        if record is None:
            return None
        if record.get("key") not in (self._key(hook), self._key(hook, _ROWS)):
            raise StorageError(f"{folder} was trained with other settings or text: name another --out")
        return Fit(**record["quality"])

    def _folder(self, hook: HookPoint) -> Path:
        name = hook.module if self.config.format == "sparsify" else hook.transformer_lens
        return self.out / f"seed{self.seed}" / name

    def _checkpoints(self, hook: HookPoint, order: int = _PORTIONS) -> Path:
        return self.out / ".checkpoints" / self._key(hook, order)

    def _key(self, hook: HookPoint, order: int = _PORTIONS) -> str:
        """A key of everything that decides the stored SAE."""
        settings = self.config.model_dump(
            include={"sae", "training", "format", "store_dtype"},
            exclude={"training": {"checkpoint_every", "checkpoint_seconds"}},
        )
        if not settings["sae"]["frozen_decoder"]:  # SAEs from before there was the choice stay what they are
            del settings["sae"]["frozen_decoder"]
        texts = [self.text.tokens.key, self.held_out.tokens.key]
        seen = [] if order == _ROWS else [{"order": order}]
        return content_key([settings, self.model.key, texts, str(hook), self.seed, *seen])

    def _metadata(self, hook: HookPoint) -> dict[str, Any]:
        """What a SAELens file says about where it belongs."""
        return {
            "model_name": self.model.name,
            "hook_name": hook.transformer_lens,
            "prepend_bos": bool(self.text.tokens.input_ids[0, 0] == self.model.tokenizer.bos_token_id),
            "context_size": self.text.tokens.length,
        }

    @cached_property
    def _widths(self) -> dict[str, int]:
        """d_in at each hook point of the model, from one short forward pass."""
        names = [str(hook) for hook in training_hooks(self.config, self.model)]
        short = torch.from_numpy(self.held_out.tokens.input_ids[:1, :2])
        return {name: states.shape[-1] for name, states in self.model.capture(short, None, names).items()}


def _seal(folder: Path, record: Mapping[str, Any]) -> None:
    """Write an SAE's figures with the checksums of its files: from then on it is whole."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    write_artefact(folder / FIGURES, _KIND, _FORMAT_VERSION, record, files=set(names) - {FIGURES})


def _opened(folder: Path) -> dict[str, Any]:
    """The record of a stored SAE, its files proven; one stored without checksums gets them now.

    Raises:
        NotWhole: it isn't as it was stored.
        StorageError: something else lies there.
    """
    path = folder / FIGURES
    if not is_there(path):  # perhaps somebody's own SAE
        raise StorageError(f"{folder} exists and holds no {FIGURES}: name another --out, or remove it")
    try:
        opened = open_artefact(path, _KIND, _FORMAT_VERSION, oldest=_UNSEALED, unsealed=_UNSEALED)
    except OtherKind as error:
        raise StorageError(str(error)) from error
    if opened.record["format_version"] > _UNSEALED:
        opened.check()
        return opened.record
    logger.info("%s was stored without checksums: they are taken now", folder)
    fields = {name: value for name, value in opened.record.items() if name not in ("kind", "format_version")}
    _seal(folder, fields)
    return opened.record
