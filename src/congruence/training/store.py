"""From a trainer to the files that other tools read."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sae_lens.training.sae_trainer import SAETrainer

    from congruence.saes.sae import Sae


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
