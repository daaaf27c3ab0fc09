"""SAEs that another library has already loaded, as ours."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from congruence.errors import SaeError
from congruence.saes.checks import check_sae
from congruence.saes.formats.dictionary_learning import CLASSES as DICTIONARY_CLASSES
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


def from_dictionary_learning(sae: Any, *, hook_name: str | None = None) -> Sae:
    """A loaded `dictionary_learning` dictionary as ours; tensors are shared, not copied.

    Args:
        sae: an object of one of the seven classes that `load_sae` reads.
        hook_name: where it reads; the object doesn't know.

    Raises:
        SaeError: it is of another class.
    """
    sae_class = DICTIONARY_CLASSES.get(type(sae).__name__)
    if sae_class is None or not hasattr(sae, "state_dict"):
        raise SaeError(f"from_dictionary_learning got a {type(sae).__name__}: is it one of its dictionaries?")
    state: dict[str, Any] = {name: tensor.detach() for name, tensor in sae.state_dict().items()}
    found = sae_class.read({"k": getattr(sae, "k", None), **state}, Path(type(sae).__name__))
    return check_sae(replace(found, format="dictionary_learning", path=None, hook_name=hook_name))


def from_anything(sae: Any) -> Sae:
    """An SAE in memory as ours, whichever library it belongs to.

    Args:
        sae: ours, or an object of sae_lens, sparsify or dictionary_learning.

    Raises:
        SaeError: it is of none of these.
    """
    if isinstance(sae, Sae):
        return sae
    if hasattr(sae, "cfg") and hasattr(sae.cfg, "architecture"):
        return from_saelens(sae)
    if hasattr(sae, "cfg") and hasattr(sae, "num_latents"):
        return from_sparsify(sae)
    if type(sae).__name__ in DICTIONARY_CLASSES:
        return from_dictionary_learning(sae)
    raise SaeError(
        f"a {type(sae).__name__} is given as an SAE: give a congruence.saes.Sae (W_enc, W_dec, b_enc, b_dec, "
        "activation), or an object of sae_lens, sparsify or dictionary_learning"
    )
