"""What is left of the truth when an SAE, the true or a trained one, reads features from hidden states."""

import importlib.util
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy import sparse

from congruence.matching import match
from congruence.saes.fit import measure as fit_of
from congruence.synthetic.dictionaries import recovered, trained_sae, true_sae
from congruence.synthetic.study.pairing import judged
from congruence.synthetic.study.size import Size
from congruence.synthetic.study.task import Rows, Task, row, world_seed
from congruence.synthetic.world import SyntheticModel, World

if TYPE_CHECKING:
    from congruence.saes import Sae

FEATURES = 256
LEAST_COSINE = 0.8
"""An SAE's feature is a planted one if their directions agree at least so much."""
TRAINED_FROM = 2
"""Features per dimension from which SAEs are trained: wide states take the longest."""
TRUE, TRAINED = "true dictionary", "trained TopK"


def tasks(size: Size) -> list[Task]:
    """True dictionaries, and trained ones where sae-lens is installed, at several features per dimension."""
    trained = size.trained_steps if importlib.util.find_spec("sae_lens") else 0
    found = []
    for per_dimension in size.per_dimension:
        for number in range(size.worlds):
            options: dict[str, Any] = {
                "features": FEATURES,
                "tokens": size.tokens,
                "width": round(FEATURES / per_dimension),
                "seed": world_seed(size.seed, "encoding", number),
            }
            kind = f"{per_dimension:g} features per dimension"
            found.append(Task("dictionaries", kind, options, {}, true_on))
            if trained and number == 0 and per_dimension >= TRAINED_FROM:
                settings = {"steps": trained}
                found.append(
                    Task("dictionaries", kind, options, settings, lambda world: trained_on(world, trained))
                )
    return found


def true_on(world: World) -> Rows:
    """Firing found by the true dictionaries, and the pairs that are made of it."""
    encoded, found = [], []
    for model in world.models:
        sae = true_sae(model)
        acts = _encoded(sae, model)
        encoded.append(acts)
        planted = model.acts()
        both = len(np.intersect1d(_places(acts), _places(planted)))
        found.append(row(TRUE, "", "F1 of firing", 2 * both / max(1, acts.nnz + planted.nnz)))
        found.append(row(TRUE, "", "FVU", _fvu(sae, model)))
    pairs = match(*encoded, method="one_to_one")
    kept = pairs.select(pairs.r > 0.1)
    return found + [
        row(TRUE, "one_to_one, r > 0.1", name, value) for name, value in judged(world, kept).items()
    ]


def trained_on(world: World, steps: int) -> Rows:
    """Concepts that trained dictionaries hold, and the pairs between them."""
    encoded, found, labels = [], [], []
    for model in world.models:
        k = max(1, round(model.acts().nnz / world.options.tokens))
        sae = trained_sae(model, k=k, steps=steps, batch=512, seed=model.number)
        encoded.append(_encoded(sae, model))
        nearest = recovered(model, sae.W_dec.numpy())
        label = np.where(nearest.cosine >= LEAST_COSINE, nearest.concept, -1)
        labels.append(label)
        held = np.unique(label[label >= 0])
        found.append(row(TRAINED, "", "concepts held", len(held) / model.shape[1]))
        found.append(row(TRAINED, "", "FVU", _fvu(sae, model)))
    pairs = match(*encoded, method="one_to_one")
    pairs = pairs.select(pairs.r > 0.1)
    a, b = labels[0][pairs.feature_a], labels[1][pairs.feature_b]
    named = (a >= 0) & (b >= 0)
    right = named & (a == b)
    held_by_both = np.intersect1d(*(label[(label >= 0) & (label < world.truth.n_shared)] for label in labels))
    setting = "one_to_one, r > 0.1"
    if named.any():
        found.append(row(TRAINED, setting, "precision", right.sum() / named.sum()))
    found.append(
        row(TRAINED, setting, "coverage", len(pairs) / min(model.shape[1] for model in world.models))
    )
    if len(held_by_both):
        recall = len(np.unique(a[right])) / len(held_by_both)
        found.append(row(TRAINED, setting, "recall of what both hold", recall))
        found.append(row(TRAINED, setting, "recall", len(np.unique(a[right])) / max(1, world.truth.n_shared)))
    return found


def _encoded(sae: "Sae", model: SyntheticModel) -> sparse.csr_array:
    import torch

    parts = [sae.encode_csr(torch.from_numpy(block)) for block in model.state_blocks()]
    return sparse.csr_array(sparse.vstack(parts, format="csr"))


def _places(acts: sparse.csr_array) -> np.ndarray:
    """Where features fire, as token · features + feature."""
    row, feature = acts.nonzero()
    return row.astype(np.int64) * cast(tuple[int, int], acts.shape)[1] + feature


def _fvu(sae: "Sae", model: SyntheticModel) -> float:
    """Share of the states' variance that the SAE leaves unexplained."""
    import torch

    return fit_of(sae, torch.from_numpy(model.states())).fvu
