"""Training several SAEs in lockstep on one stream of activations, from checkpoints whole or absent."""

import itertools
import logging
import math
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.errors import CorpusError, SaeError
from congruence.storage import (
    atomic_folder,
    not_whole_unless_read,
    open_artefact,
    tensors_written,
    whole_or_none,
    write_artefact,
)
from congruence.training.config import TrainingSettings

if TYPE_CHECKING:
    import torch
    from sae_lens.training.sae_trainer import SAETrainer

logger = logging.getLogger(__name__)

Batch = Mapping[str, "torch.Tensor"]
ActivationStream = Callable[[int], Iterator[Batch]]
"""From a step to the batches of that step and those after it: the same ones, wherever it is started."""

CALIBRATION_BATCHES = 8
SPARING = 20
"""A checkpoint that takes t seconds is followed by at least so many times t without one."""
_STEP = re.compile(r"step-(\d+)")
_WEIGHTS = "weights.safetensors"
KIND, FORMAT = "sae-checkpoint", 1
_RECORD = "checkpoint.json"


def train(
    trainers: "Mapping[str, SAETrainer[Any, Any]]",
    stream: ActivationStream,
    training: TrainingSettings,
    *,
    checkpoints: Mapping[str, Path],
    on_step: Callable[[int, Mapping[str, float]], None] = lambda step, losses: None,
) -> None:
    """Train every SAE for `training.steps` steps, from its last checkpoint if there is one.

    The SAEs don't influence one another: each ends as if it had been trained alone. Since a batch depends on
    its step only, a run that was killed and started again ends as an undisturbed one.

    Args:
        trainers: by the name under which their activations come; moved in place.
        stream: gives the batches, (batch, d_in) for each name, from a step on.
        training: the schedule.
        checkpoints: folder of each SAE's checkpoints; the last step is kept there too.
        on_step: called after each step with its number and each SAE's loss, and before the first with none.

    Raises:
        CorpusError: the stream ended early.
        SaeError: a loss is no longer a number.
    """
    first = restore_checkpoints(checkpoints, trainers)
    if first >= training.steps:
        return
    if first:
        logger.info("going on from step %d of %d", first, training.steps)
    on_step(first, {})
    batches = stream(first)
    if first == 0:
        batches = _calibrate(trainers, batches, training)
    timer = _Timer(training.checkpoint_seconds, time.monotonic())
    for step in range(first + 1, training.steps + 1):
        losses = _step(trainers, _next(batches, step), step)
        counted = training.checkpoint_every is not None and step % training.checkpoint_every == 0
        if counted or step == training.steps or timer.is_due():
            with timer.writing():
                save_checkpoints(checkpoints, trainers, step)
        on_step(step, losses)


@dataclass
class _Timer:
    """When a checkpoint is due: after so many seconds, but never so often that writing takes long.

    Attributes:
        seconds: between two.
        written, took: when the last one was finished (at first: when training began), and its seconds.
    """

    seconds: float
    written: float
    took: float = 0.0

    def is_due(self) -> bool:
        return time.monotonic() - self.written >= max(self.seconds, SPARING * self.took)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The next one is counted from the end of this block."""
        started = time.monotonic()
        yield
        self.written = time.monotonic()
        self.took = self.written - started


def _step(trainers: "Mapping[str, SAETrainer[Any, Any]]", batch: Batch, step: int) -> dict[str, float]:
    losses = {}
    for name, trainer in trainers.items():
        losses[name] = trainer.step(batch[name]).loss.item()
        trainer.n_training_steps += 1
        if not math.isfinite(losses[name]):
            raise SaeError(f"the loss of {name} is {losses[name]} at step {step}: lower learning_rate")
    return losses


def _calibrate(
    trainers: "Mapping[str, SAETrainer[Any, Any]]", batches: Iterator[Batch], training: TrainingSettings
) -> Iterator[Batch]:
    """Set each SAE's input scale and starting b_dec from the first batches, and hand all batches on."""
    import torch

    head = list(itertools.islice(batches, min(CALIBRATION_BATCHES, training.steps)))
    for name, trainer in trainers.items():
        sample = torch.cat([batch[name] for batch in head]).to(trainer.sae.device, torch.float32)
        scale = (
            sample.shape[1] ** 0.5 / sample.norm(dim=1).mean().item() if training.normalize_inputs else 1.0
        )
        if training.normalize_inputs:
            trainer.activation_scaler.scaling_factor = scale
        if training.start_at_mean:
            trainer.sae.b_dec.data.copy_(sample.mean(0) * scale)
    return itertools.chain(head, batches)


def _next(batches: Iterator[Batch], step: int) -> Batch:
    try:
        return next(batches)
    except StopIteration:
        raise CorpusError(f"the activations ended before step {step}: give a longer corpus") from None


def save_checkpoints(
    folders: Mapping[str, Path], trainers: "Mapping[str, SAETrainer[Any, Any]]", step: int
) -> None:
    """Write the state of all trainers after `step` steps; only then remove the older ones.

    A kill in between leaves the older step complete for all of them.
    """
    for name, trainer in trainers.items():
        _save(folders[name] / f"step-{step:08d}", trainer)
    for name in trainers:
        for older in set(_steps(folders[name])) - {step}:
            shutil.rmtree(folders[name] / f"step-{older:08d}", ignore_errors=True)


def restore_checkpoints(folders: Mapping[str, Path], trainers: "Mapping[str, SAETrainer[Any, Any]]") -> int:
    """Put every trainer at the last step that all of them have; returns that step, 0 where there is none.

    A checkpoint that isn't as it was written is set aside, and the one before it is used.
    """
    common = set.intersection(*(set(_steps(folders[name])) for name in trainers)) if trainers else set()
    for step in sorted(common, reverse=True):
        places = {name: folders[name] / f"step-{step:08d}" for name in trainers}
        proven = [whole_or_none(place, _proven) for place in places.values()]
        if all(proven):
            for name, trainer in trainers.items():
                _restore(places[name], trainer)
            return step
    return 0


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of one SAE, and the folder that held those of all when it is empty."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _save(folder: Path, trainer: "SAETrainer[Any, Any]") -> None:
    from safetensors.torch import save_file

    with atomic_folder(folder) as temporary:
        weights = {name: tensor.contiguous() for name, tensor in trainer.sae.state_dict().items()}
        with tensors_written(folder):
            save_file(weights, temporary / _WEIGHTS)
            trainer.save_trainer_state(temporary)
        names = [path.name for path in temporary.iterdir()]
        write_artefact(temporary / _RECORD, KIND, FORMAT, {}, files=names)


def _proven(folder: Path) -> bool:
    open_artefact(folder / _RECORD, KIND, FORMAT).check()
    return True


def _restore(folder: Path, trainer: "SAETrainer[Any, Any]") -> None:
    from safetensors.torch import load_file

    with not_whole_unless_read(folder):
        trainer.sae.load_state_dict(load_file(folder / _WEIGHTS, device=str(trainer.cfg.device)))
        trainer.load_trainer_state(folder)


def _steps(folder: Path) -> list[int]:
    found = (_STEP.fullmatch(path.name) for path in folder.glob("step-*"))
    return [int(match[1]) for match in found if match]
