"""An SAE of one model on the mapped states of another, beside its own ceiling and nulls."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.blas import in_parallel, one_blas_thread
from congruence.rng import derive
from congruence.saes import Sae
from congruence.saes.untrained import untrained
from congruence.threads import available_threads, side_by_side, torch_threads
from congruence.transfer.maps import KINDS, FittedMap, Kind, StateMoments, fit_map
from congruence.transfer.reader import Reader
from congruence.transfer.split import Split
from congruence.transfer.states import LayerPair, LayerStates

NATIVE = "native"
"""The ceiling: the SAE on the states of its own model."""
SHIFTED, RANDOM, UNTRAINED = "shifted text", "random rotation", "untrained SAE"
WRONG_LAYER, FROZEN = "wrong layer", "frozen decoder"


@dataclass(frozen=True, eq=False)
class Transfer:
    """One map judged on documents that it wasn't fitted on.

    Attributes:
        kind: of the map, or "native".
        null: what was broken on purpose; "" where nothing was.
        r2: variance of the target's states that mapped states give, 1 − Σ‖y − ŷ‖² / Σ‖y − mean(y)‖².
        explained: explained variance of the SAE on the mapped states,
            1 − Σ‖ŷ − SAE(ŷ)‖² / Σ‖ŷ − mean(ŷ)‖²; it says nothing of whether ŷ is y.
        explained_of_target: 1 − Σ‖y − SAE(ŷ)‖² / Σ‖y − mean(y)‖²: what map and SAE together give of the
            target's own states.
        f1: of firing, mapped against native, over all tokens and features.
        r: mean Pearson r of a feature's activations, mapped against native, over features that fire in both.
        map: the fitted map; None of the ceiling, and where none could be fitted.
        ceiling: explained variance of the SAE on its own model's states.
        doubt: why there is no map.
    """

    kind: str
    null: str
    r2: float
    explained: float = math.nan
    explained_of_target: float = math.nan
    f1: float = math.nan
    r: float = math.nan
    map: FittedMap | None = None
    ceiling: float = math.nan
    doubt: str = ""


def transfer(
    states_from: ArrayLike,
    states_to: ArrayLike,
    sae: Sae,
    *,
    document_offsets: Sequence[int] | np.ndarray,
    kinds: Sequence[Kind] = KINDS,
    nulls: bool = True,
    seed: int = 0,
    penalty: float = 1e-2,
) -> list[Transfer]:
    """Map one model's states to another's, and give them to an SAE of the other.

    Half of the documents fit each map, the others judge it: the SAE on mapped states, on the native ones
    (the ceiling), and three nulls: the map fitted on text shifted by documents, a random rotation with the
    scale and means of the orthogonal map, and the orthogonal map into an untrained SAE.

    Args:
        states_from: (n, d_x) of the model mapped from.
        states_to: (n, d_y) of the SAE's model, on the same tokens.
        sae: reads states of width d_y.
        document_offsets: (documents + 1,) first token of each document, and n at the end.
        kinds: of maps; identity is left out where widths differ.
        nulls: whether to add the nulls.
        seed: of halves and nulls.
        penalty: of ridge.

    Returns:
        The ceiling, one record a kind, and the nulls.

    Raises:
        InputError: states that don't fit each other or the SAE, or fewer than four documents.

    Source: explained variance of a transferred SAE before and after one rotation: arXiv 2605.24577; affine
    stitching: arXiv 2506.06609. The nulls are ours.
    """
    x, y = np.asarray(states_from), np.asarray(states_to)
    StateMoments.of(x[:1], y[:1])  # both are matrices
    offsets = np.asarray(document_offsets, dtype=np.int64)
    if len(offsets) < 5 or offsets[-1] != len(x) or len(x) != len(y):
        raise InputError(
            f"{len(x)} and {len(y)} tokens in {max(len(offsets) - 1, 0)} documents: give both models' "
            "states of the same tokens, and offsets of four documents or more"
        )
    if y.shape[1] != sae.d_in:
        raise InputError(
            f"states_to have width {y.shape[1]} and the SAE reads {sae.d_in}: give its own model's"
        )
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")
    split = Split.of(offsets, seed)
    pair = LayerPair.of(LayerStates.of(x, split), LayerStates.of(y, split), split)
    reader = Reader.of(sae, pair.y.judged)
    own = reader.read(reader.y)
    native = Transfer(NATIVE, "", 1.0, **vars(own), ceiling=reader.ceiling)
    controls = {}
    if nulls:
        control = untrained(sae, derive(seed, "untrained"), k=reader.k)
        controls[UNTRAINED] = Reader.of(control, pair.y.judged)
    found = judged_maps(pair, reader, kinds=kinds, penalty=penalty, seed=seed, nulls=nulls, controls=controls)
    doubts = [one.doubt for one in found if one.doubt]
    if doubts:
        raise InputError(doubts[0])
    return [native, *found]


@one_blas_thread()
def judged_maps(
    pair: LayerPair,
    reader: Reader | None,
    *,
    kinds: Sequence[Kind] = KINDS,
    penalty: float = 1e-2,
    seed: int = 0,
    nulls: bool = True,
    null_kinds: Sequence[Kind] = KINDS,
    wrong: LayerPair | None = None,
    controls: Mapping[str, Reader] = MappingProxyType({}),
) -> list[Transfer]:
    """Every map of one layer pair in one direction, and its nulls.

    Args:
        pair: the layers' states.
        reader: the SAE of the model mapped to, on its judged states; None where its features are neurons,
            which leaves R².
        kinds, penalty, seed, nulls: as of `transfer`.
        null_kinds: kinds that are also fitted on shifted text.
        wrong: the same source with another layer of the target: what a map into it gives here is a null.
        controls: null's name -> an SAE that stands in for the reader's.

    Returns:
        One record a kind, and the nulls; a kind that can't be fitted says why.
    """
    wanted: list[Kind] = [kind for kind in kinds if kind != "identity" or pair.x.width == pair.y.width]
    null_kinds = [kind for kind in wanted if nulls and kind != "identity" and kind in null_kinds]
    pair.multiply()
    held = pair.held
    fitting: dict[tuple[str, str], Callable[[], FittedMap]] = {
        (kind, ""): partial(fit_map, pair.fit, kind, penalty=penalty) for kind in wanted
    }
    if nulls or "orthogonal" in wanted:
        fitting["orthogonal", ""] = lambda: pair.rotation
    if nulls:
        fitting |= {
            (kind, SHIFTED): partial(fit_map, pair.shifted, kind, penalty=penalty) for kind in null_kinds
        }
        if wrong is not None:
            fitting["orthogonal", WRONG_LAYER] = lambda: wrong.rotation
    maps = dict(zip(fitting, in_parallel(_tried, fitting.values()), strict=True))

    judging: list[tuple[str, str, FittedMap | InputError, Reader | None]] = [
        (kind, "", maps[kind, ""], reader) for kind in wanted
    ]
    if nulls:
        judging += [(kind, SHIFTED, maps[kind, SHIFTED], reader) for kind in null_kinds]
        rotation = pair.rotation
        judging.append(("orthogonal", RANDOM, turned(rotation, seed), reader))
        if wrong is not None:
            judging.append(("orthogonal", WRONG_LAYER, wrong.rotation, reader))
        judging += [("orthogonal", name, rotation, control) for name, control in controls.items()]

    def judged(trial: tuple[str, str, FittedMap | InputError, Reader | None]) -> Transfer:
        kind, null, fitted, by = trial
        if isinstance(fitted, InputError):
            return Transfer(kind, null, math.nan, doubt=str(fitted))
        r2 = fitted.explained(held)
        one = Transfer(kind, null, r2, map=replace(fitted, r2=r2))
        if by is None:
            return one
        return replace(one, **vars(by.read(fitted.apply(pair.x.judged))), ceiling=by.ceiling)

    with torch_threads(max(1, available_threads() // 2)):
        found = list(side_by_side(judged, judging))
    return [one for one in found if not (one.null and one.doubt)]


def _tried(fit: Callable[[], FittedMap]) -> FittedMap | InputError:
    try:
        return fit()
    except InputError as error:
        return error


def turned(fitted: FittedMap, seed: int) -> FittedMap:
    """The orthogonal map with a random rotation, uniform over all, in place of the fitted one."""
    d_x, d_y = fitted.matrix.shape
    q, r = np.linalg.qr(derive(seed, "rotation").standard_normal((max(d_x, d_y), min(d_x, d_y))))
    q = q * np.sign(np.diag(r))
    scale = np.linalg.norm(fitted.matrix) / np.sqrt(min(d_x, d_y))
    return replace(fitted, matrix=scale * (q if d_x >= d_y else q.T))
