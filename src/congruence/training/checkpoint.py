"""Checkpoints of SAEs in training: one folder an SAE and step, whole or absent."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.storage import atomic_folder

if TYPE_CHECKING:
    from sae_lens.training.sae_trainer import SAETrainer

_STEP = re.compile(r"step-(\d+)")
_WEIGHTS = "weights.safetensors"


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
    """Put every trainer at the last step that all of them have; returns that step, 0 where there is none."""
    common = set.intersection(*(set(_steps(folders[name])) for name in trainers)) if trainers else set()
    step = max(common, default=0)
    if step:
        for name, trainer in trainers.items():
            _restore(folders[name] / f"step-{step:08d}", trainer)
    return step


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of one SAE, and the folder that held those of all when it is empty."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _save(folder: Path, trainer: "SAETrainer[Any, Any]") -> None:
    from safetensors.torch import save_file

    with atomic_folder(folder) as temporary:
        weights = {name: tensor.contiguous() for name, tensor in trainer.sae.state_dict().items()}
        save_file(weights, temporary / _WEIGHTS)
        trainer.save_trainer_state(temporary)


def _restore(folder: Path, trainer: "SAETrainer[Any, Any]") -> None:
    from safetensors.torch import load_file

    trainer.sae.load_state_dict(load_file(folder / _WEIGHTS, device=str(trainer.cfg.device)))
    trainer.load_trainer_state(folder)


def _steps(folder: Path) -> list[int]:
    found = (_STEP.fullmatch(path.name) for path in folder.glob("step-*"))
    return [int(match[1]) for match in found if match]
