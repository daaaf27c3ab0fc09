"""Any SAE, whatever trained it: read, listed, encoded with, adapted and written."""

from congruence.careful import guard
from congruence.saes.adapters import from_dictionary_learning, from_saelens, from_sparsify
from congruence.saes.crosscoder import Crosscoder
from congruence.saes.entry import SaeEntry
from congruence.saes.find import Catalogue, find_sae, list_saes, load_sae
from congruence.saes.find_crosscoder import find_crosscoder, load_crosscoder
from congruence.saes.folding import fold_decoder_norm, fold_input_factor
from congruence.saes.plain import load_plain
from congruence.saes.sae import Sae
from congruence.saes.untrained import untrained
from congruence.saes.writers import save_saelens, save_sparsify

__all__ = [
    "Catalogue",
    "Crosscoder",
    "Sae",
    "SaeEntry",
    "find_crosscoder",
    "find_sae",
    "fold_decoder_norm",
    "fold_input_factor",
    "from_dictionary_learning",
    "from_saelens",
    "from_sparsify",
    "list_saes",
    "load_crosscoder",
    "load_plain",
    "load_sae",
    "save_saelens",
    "save_sparsify",
    "untrained",
]

guard(globals())
