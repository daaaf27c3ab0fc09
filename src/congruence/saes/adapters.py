"""SAEs that another library has already loaded, as ours."""

from dataclasses import replace
from typing import Any

from congruence.errors import SaeError
from congruence.saes.checks import check_sae
from congruence.saes.formats.saelens import modern_config, sae_from_saelens_parts
from congruence.saes.formats.sparsify import sae_from_sparsify_parts
from congruence.saes.sae import Sae


def from_saelens(sae: Any) -> Sae:
    """A loaded `sae_lens.SAE` (or training SAE) as ours; tensors are shared, not copied.

    Args:
        sae: any SAELens object of an architecture that `load_sae` reads.

    Raises:
        SaeError: it isn't a SAELens SAE, or of an unknown architecture.
    """
    if not hasattr(sae, "cfg") or not hasattr(sae.cfg, "architecture"):
        raise SaeError(f"from_saelens got a {type(sae).__name__}, expected a sae_lens.SAE: is it loaded?")
    state = {name: tensor.detach() for name, tensor in sae.state_dict().items()}
    sae.process_state_dict_for_saving(state)
    config = modern_config(sae.cfg.to_dict())
    return check_sae(replace(sae_from_saelens_parts(config, state, None), format="saelens"))


def from_sparsify(sae: Any, *, hook_name: str | None = None) -> Sae:
    """A loaded `sparsify.SparseCoder` as ours; tensors are shared, not copied.

    Args:
        sae: an SAE or transcoder, loaded with its decoder.
        hook_name: where it reads; the object doesn't know.

    Raises:
        SaeError: it isn't a SparseCoder, or has no decoder.
    """
    if not hasattr(sae, "cfg") or not hasattr(sae, "num_latents"):
        raise SaeError(
            f"from_sparsify got a {type(sae).__name__}, expected a sparsify.SparseCoder: is it loaded?"
        )
    state = {name: tensor.detach() for name, tensor in sae.state_dict().items()}
    config = sae.cfg.to_dict() | {"d_in": sae.d_in, "num_latents": sae.num_latents}
    return check_sae(
        replace(sae_from_sparsify_parts(config, state, None, hook_name=hook_name), format="sparsify")
    )
