"""sae-lens' trainer of one SAE: made from our settings, and turned into the files that other tools read."""

import importlib.util
import logging
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from congruence.errors import ConfigError, unknown_name
from congruence.training.config import SaeSettings, TrainingSettings
from congruence.wording import install

if TYPE_CHECKING:
    from sae_lens.training.sae_trainer import SAETrainer

    from congruence.saes import Sae

logger = logging.getLogger(__name__)

_NAMES = {"relu": "standard", "matryoshka": "matryoshka_batchtopk"}


def require_sae_lens() -> None:
    """Say how to get sae-lens where it is missing, without the seconds that importing it takes.

    Raises:
        ConfigError: sae-lens isn't installed.
    """
    try:
        found = importlib.util.find_spec("sae_lens")
    except ValueError:
        found = None
    if found is None:
        raise ConfigError(f"training SAEs needs sae-lens: {install('train')}")


def make_trainer(
    sae: SaeSettings,
    training: TrainingSettings,
    *,
    d_in: int,
    seed: int,
    device: str = "cpu",
    metadata: Mapping[str, Any] | None = None,
) -> "SAETrainer[Any, Any]":
    """An SAE with fresh weights and the trainer that moves them, one batch at a time by `step`.

    Args:
        sae: architecture and sparsity.
        training: schedule.
        d_in: width of the activations.
        seed: of the initial weights; torch's global generator is left as it was.
        device: where to train.
        metadata: what the stored SAE says about its model and hook.

    Raises:
        ConfigError: sae-lens is missing, or doesn't accept the settings.
    """
    require_sae_lens()
    import torch
    from sae_lens.registry import get_sae_training_class
    from sae_lens.saes.sae import SAEMetadata

    sae_class, config_class = get_sae_training_class(_NAMES.get(sae.architecture, sae.architecture))
    _check_further_fields(sae, config_class)
    options = _options(sae, training, d_in) | sae.sae_lens
    try:
        config = config_class(device=device, metadata=SAEMetadata(**metadata or {}), **options)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = _class_for(sae, device, sae_class)(config)
            made.W_dec.requires_grad_(not sae.frozen_decoder)
            return _trainer(made, training, device)
    except (ValueError, TypeError, AssertionError) as error:
        raise ConfigError(f"sae-lens refuses the SAE's settings: {error}") from error


def _class_for(sae: SaeSettings, device: str, sae_class: Any) -> Any:
    """Our own step where there is one that is faster, else sae-lens'."""
    if sae.architecture == "topk" and device.startswith("cpu"):
        from congruence.training.topk_cpu import CpuTopK

        return CpuTopK
    return sae_class


def _trainer(sae: Any, training: TrainingSettings, device: str) -> "SAETrainer[Any, Any]":
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    schedule = SAETrainerConfig(
        total_training_samples=training.steps * training.batch,
        train_batch_size_samples=training.batch,
        lr=training.learning_rate,
        lr_end=training.learning_rate,
        lr_warm_up_steps=round(training.warm_up * training.steps),
        lr_decay_steps=round(training.decay * training.steps),
        device=device,
        autocast=training.mixed_precision and multiplies_bfloat16(device),
        dead_feature_window=training.dead_after,
    )
    return SAETrainer(schedule, sae.to(device), iter(()))


def multiplies_bfloat16(device: str) -> bool:
    """Whether bfloat16 products gain anything: processors that imitate them are fifty times slower."""
    import torch

    if not device.startswith("cpu"):
        return True
    known = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    fast = any(getattr(torch.cpu, name, lambda: False)() for name in known)
    if not fast:
        logger.warning("mixed_precision: this processor has no bfloat16 products; training in float32")
    return fast


def _options(sae: SaeSettings, training: TrainingSettings, d_in: int) -> dict[str, Any]:
    d_sae, topk = sae.features(d_in), _topk_options(sae)
    if d_sae < 2:
        raise ConfigError(f"expansion = {sae.expansion:g} of width {d_in} gives {d_sae} features: raise it")
    if topk and sae.k > d_sae:
        raise ConfigError(f"k = {sae.k} is more than the SAE's {d_sae} features: lower k or raise expansion")
    options: dict[str, Any] = {"d_in": d_in, "d_sae": d_sae, **topk}
    if sae.architecture == "matryoshka":
        options["matryoshka_widths"] = sae.widths or [d_sae // 8, d_sae // 4, d_sae // 2, d_sae]
    if sae.architecture in ("relu", "gated"):
        options["l1_coefficient"] = sae.l1_coefficient
        options["l1_warm_up_steps"] = round(sae.l1_warm_up * training.steps)
    if sae.architecture == "jumprelu":
        options["l0_coefficient"] = sae.l0_coefficient
        options["l0_warm_up_steps"] = round(sae.l0_warm_up * training.steps)
    return options


def _topk_options(sae: SaeSettings) -> dict[str, Any]:
    if sae.architecture not in ("topk", "batchtopk", "matryoshka"):
        return {}
    return {"k": sae.k, "aux_loss_coefficient": sae.dead_coefficient}


def _check_further_fields(sae: SaeSettings, config_class: Any) -> None:
    known = {field.name for field in fields(config_class)}
    for name in sae.sae_lens:
        if name not in known:
            raise ConfigError(unknown_name(f"sae_lens field of {sae.architecture}", name, known))


def store_trained(trainer: "SAETrainer[Any, Any]", folder: Path, *, format_name: str, dtype: str) -> "Sae":
    """Write a trained SAE; the trainer can't go on afterwards.

    The input scale is folded into the weights, and so are the decoder norms where features compete after
    rescaling, so that the stored SAE reads raw activations and has unit decoder rows.

    Args:
        trainer: after its last step.
        folder: where the format's files go.
        format_name: saelens or sparsify.
        dtype: float32 or float16.

    Returns:
        The SAE as it was written, before rounding.
    """
    import torch

    from congruence.saes import fold_decoder_norm, load_sae, save_saelens, save_sparsify

    scale = trainer.activation_scaler.scaling_factor
    if scale is not None:
        trainer.sae.fold_activation_norm_scaling_factor(scale)
    trainer.set_final_sae_metadata()
    with TemporaryDirectory() as temporary:
        trainer.sae.save_inference_model(temporary)
        sae = load_sae(temporary)
    if sae.rescale_by_decoder_norm:
        sae = fold_decoder_norm(sae)
    stored_dtype = getattr(torch, dtype)
    if format_name == "sparsify":
        save_sparsify(sae, folder, dtype=stored_dtype)
    else:
        save_saelens(sae, folder, dtype=stored_dtype)
    return sae
