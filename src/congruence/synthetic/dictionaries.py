"""SAEs of a made-up model: its true dictionary with the best linear encoder, or one trained on its states."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from congruence.rng import derive
from congruence.synthetic.world import SyntheticModel

if TYPE_CHECKING:
    import torch

    from congruence.saes import Sae

SAMPLE = 8192
"""Tokens from which the true dictionary's encoder is found."""
_RIDGE = 1e-6
_COLUMNS = 256


def true_sae(model: SyntheticModel) -> "Sae":
    """The planted directions as decoder, with the best linear encoder and the best threshold a feature.

    W_enc is the ridge regression of planted activations on hidden states over the first 8,192 tokens, each
    column stretched so that an activation comes out at its own size; a JumpReLU threshold is where the F1 of
    firing against the planted firing is greatest. Where features are no more than dimensions and there is no
    noise, the encoder gives the planted activations back; with more features than dimensions they
    interfere, and no encoder of this kind can.

    Args:
        model: of a world.

    Source: ours.
    """
    import torch

    from congruence.saes import Sae
    from congruence.saes.activation_functions import JumpReLU

    states, acts = _sample(model)
    x = (states - model.mean).astype(np.float64)
    x_mean, a_mean = x.mean(axis=0), acts.mean(axis=0)
    moment = (x - x_mean).T @ (x - x_mean)
    moment += _RIDGE * np.trace(moment) / len(moment) * np.eye(len(moment))
    W_enc = np.linalg.solve(moment, (x - x_mean).T @ (acts - a_mean))
    found = (x - x_mean) @ W_enc
    varies = np.maximum(((acts - a_mean) ** 2).sum(axis=0), 1e-12)
    slope = (found * (acts - a_mean)).sum(axis=0) / varies
    W_enc = W_enc / np.where(slope > 1e-3, slope, 1.0)
    b_enc = a_mean - x_mean @ W_enc
    threshold = _thresholds(x @ W_enc + b_enc, acts)
    tensors = [torch.from_numpy(part.astype(np.float32)) for part in (W_enc, b_enc, threshold)]
    return Sae(
        W_enc=tensors[0],
        W_dec=torch.from_numpy(model.W_dec.copy()),
        b_enc=tensors[1],
        b_dec=torch.from_numpy(model.mean.copy()),
        activation=JumpReLU(tensors[2]),
        architecture="jumprelu",
        metadata={"world": model.world.key, "model": model.number},
    )


class Recovered(NamedTuple):
    """How an SAE's features stand to the planted ones.

    Attributes:
        concept: (d_sae,) the concept whose direction is nearest by |cosine|.
        cosine: (d_sae,) that cosine.
    """

    concept: np.ndarray
    cosine: np.ndarray


def recovered(model: SyntheticModel, W_dec: Float[np.ndarray, "g d"]) -> Recovered:
    """For every decoder row the planted feature that is nearest."""
    rows = np.asarray(W_dec, np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = np.abs(rows / np.where(norms > 0, norms, 1.0) @ model.W_dec.T.astype(np.float64))
    nearest = cosine.argmax(axis=1)
    return Recovered(model.world.truth.concept[model.number][nearest], cosine[np.arange(len(rows)), nearest])


def trained_sae(
    model: SyntheticModel,
    *,
    k: int,
    d_sae: int | None = None,
    steps: int = 1000,
    batch: int = 1024,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> "Sae":
    """A TopK SAE trained on the model's hidden states by sae-lens, as `congruence train-sae` trains one.

    Args:
        model: of a world.
        k: features that fire on a token.
        d_sae: its size; by default as many as were planted.
        steps, batch, learning_rate: the schedule; tokens come in a random order, round after round.
        seed: of weights and order.

    Raises:
        ConfigError: sae-lens isn't installed (extra `train`), or refuses the settings.
    """
    from congruence.saes import load_sae
    from congruence.training import SaeSettings, TrainingSettings, make_trainer, store_trained, train

    settings = TrainingSettings(steps=steps, batch=min(batch, model.shape[0]), learning_rate=learning_rate)
    sae = SaeSettings(architecture="topk", k=k, d_sae=d_sae or model.shape[1])
    trainer = make_trainer(sae, settings, d_in=model.width, seed=seed)
    states = model.states()

    def stream(first: int) -> "Iterator[dict[str, torch.Tensor]]":
        return ({"sae": part} for part in _batches(states, settings.batch, seed, first))

    with TemporaryDirectory() as folder:
        train({"sae": trainer}, stream, settings, checkpoints={"sae": Path(folder) / "checkpoints"})
        store_trained(trainer, Path(folder) / "sae", format_name="saelens", dtype="float32")
        return load_sae(Path(folder) / "sae")


def _batches(states: np.ndarray, batch: int, seed: int, first: int) -> "Iterator[torch.Tensor]":
    import torch

    each = len(states) // batch
    step = first
    while True:
        order = derive(seed, "order", step // each).permutation(len(states))
        for place in range(step % each, each):
            yield torch.from_numpy(states[order[place * batch : (place + 1) * batch]])
            step += 1


def _sample(model: SyntheticModel) -> tuple[Float32[np.ndarray, "m d"], Float[np.ndarray, "m f"]]:
    """States and planted activations of the first tokens."""
    states, acts, held = [], [], 0
    for block, rows in zip(model.state_blocks(), model, strict=True):
        states.append(block)
        acts.append(rows.toarray())
        held += len(block)
        if held >= SAMPLE:
            break
    return np.concatenate(states)[:SAMPLE], np.concatenate(acts)[:SAMPLE].astype(np.float64)


def _thresholds(found: Float[np.ndarray, "m f"], acts: Float[np.ndarray, "m f"]) -> Float[np.ndarray, " f"]:
    """(f,) value above which saying that a feature fires has the greatest F1; at least 0."""
    out = np.zeros(found.shape[1])
    for start in range(0, len(out), _COLUMNS):
        part = slice(start, start + _COLUMNS)
        order = np.argsort(-found[:, part], axis=0, kind="stable")
        values = np.take_along_axis(found[:, part], order, axis=0)
        fires = np.take_along_axis(acts[:, part] > 0, order, axis=0)
        hits, said = np.cumsum(fires, axis=0), np.arange(1, len(found) + 1)[:, None]
        best = (2 * hits / (said + fires.sum(axis=0))).argmax(axis=0)
        at = np.arange(values.shape[1])
        below = values[np.minimum(best + 1, len(values) - 1), at]
        out[part] = np.where(fires.any(axis=0), (values[best, at] + below) / 2, values[0])
    return np.maximum(out, 0.0)
