"""Is a feature absent in B, or only in B's dictionary? Readout and scaling where the answer is known."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.rng import derive
from congruence.run.presence import ABSENT, PRESENT, SHIFTS, Looked, judge
from congruence.significance.verdicts import FDR, SHARE
from congruence.stats import prepare
from congruence.stats.documents import halves_of_documents
from congruence.stats.occasions import occasions
from congruence.stats.readout import Readout, ReadoutSums
from congruence.synthetic.dictionaries import true_sae
from congruence.synthetic.study.size import Size
from congruence.synthetic.study.task import Rows, Task, row, world_seed
from congruence.synthetic.world import World

if TYPE_CHECKING:
    from congruence.saes import Sae

CHAPTER = "presence"
FEATURES, WIDTH, TOKENS = 96, 48, 12_000
KINDS = ("in B and its dictionary", "in B, dropped from its dictionary", "A's own")
DROPPED = 4
"""One of so many shared features is dropped from B's dictionary."""


def tasks(size: Size) -> list[Task]:
    """Half of the features shared, as many features as dimensions and twice as many."""
    found = []
    for width in (2 * WIDTH, WIDTH):
        for number in range(size.worlds):
            options: dict[str, Any] = {
                "features": FEATURES,
                "width": width,
                "tokens": min(TOKENS, size.tokens),
                "seed": world_seed(size.seed, CHAPTER, number),
            }
            kind = f"{FEATURES / width:g} features per dimension"
            found.append(Task(CHAPTER, kind, options, {"fdr": FDR, "shifts": SHIFTS}, presence_on))
    return found


def presence_on(world: World) -> Rows:
    """Of A's features of every kind: what is said of them, and where in B's states they lie."""
    a, b = world.models
    acts = a.acts()
    shared = world.truth.is_shared(0)
    dropped = np.flatnonzero(shared)[::DROPPED]
    sae = without(true_sae(b), _partners(world, dropped))
    starts = derive(world.options.seed, CHAPTER).permutation(world.document_offsets[1:-1])[:SHIFTS]
    found = _read(world, b.states(), acts, sae)
    null = [_read(world, b.states(), acts, None, int(start)).r for start in starts]
    own = _read(world, a.states(), acts, None)
    prepared = prepare(acts, document_offsets=world.document_offsets)
    looked = Looked(found.r, np.stack(null), np.zeros(len(shared)), own.r, found.scaling, found.scaling_error)
    said, _, _ = judge(
        looked,
        firings=prepared.moments.firings,
        occasions=occasions(prepared, world.document_offsets),
        share=SHARE,
        fdr=FDR,
    )
    kind = np.where(shared, KINDS[0], KINDS[2]).astype(object)
    kind[dropped] = KINDS[1]
    rows: Rows = []
    for name in KINDS:
        mine = kind == name
        beta = np.nanmean(found.scaling[mine])
        numbers = {
            "said to be present": (said[mine] == PRESENT).mean(),
            "said to be absent": (said[mine] == ABSENT).mean(),
            "readout": np.nanmean(found.r[mine]),
            "readout from A itself": np.nanmean(own.r[mine]),
            "β": beta,
            "of it in the SAE's error": np.nanmean(found.scaling_error[mine]) / beta,
        }
        rows += [row(name, "", quantity, float(value)) for quantity, value in numbers.items()]
    return rows


def without(sae: "Sae", features: np.ndarray) -> "Sae":
    """An SAE whose dictionary lacks some features."""
    import torch

    from congruence.saes.activation_functions import JumpReLU

    kept = torch.from_numpy(np.setdiff1d(np.arange(sae.d_sae), features))
    activation = sae.activation
    assert isinstance(activation, JumpReLU)
    return replace(
        sae,
        W_enc=sae.W_enc[:, kept],
        W_dec=sae.W_dec[kept],
        b_enc=sae.b_enc[kept],
        activation=JumpReLU(activation.threshold[kept]),
    )


def _partners(world: World, features: np.ndarray) -> np.ndarray:
    pairs = world.truth.pairs()
    return pairs[np.isin(pairs[:, 0], features), 1]


def _read(world: World, states: np.ndarray, acts: Any, sae: Any, shift: int = 0) -> Readout:
    """What is read of `acts` out of states, row t of them beside row t − shift."""
    import torch

    first, _ = halves_of_documents(world.document_offsets, world.options.seed)
    sums = ReadoutSums((~first).astype(np.int64), states.shape[1], acts.shape[1], error=sae is not None)
    left = None if sae is None else states - sae.reconstruct(torch.from_numpy(states)).numpy()
    rows = (np.arange(len(states)) - shift) % len(states)
    sums.add(0, states, acts[rows], left)
    return sums.readout()
