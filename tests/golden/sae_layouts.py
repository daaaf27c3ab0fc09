"""What tests of hand-written SAE layouts share: weights, inputs, activation rules in numpy, a check."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from congruence.saes import Sae

D, F, N = 8, 24, 30


def random_weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "W_enc": rng.normal(size=(D, F)).astype(np.float32),
        "W_dec": rng.normal(size=(F, D)).astype(np.float32),
        "b_enc": rng.normal(size=F).astype(np.float32),
        "b_dec": rng.normal(size=D).astype(np.float32),
        "threshold": np.abs(rng.normal(size=F)).astype(np.float32),
    }


def random_inputs() -> np.ndarray:
    return (np.random.default_rng(6).normal(size=(N, D)) + 0.5).astype(np.float32)


def jump(pre: np.ndarray, threshold: Any) -> np.ndarray:
    return np.where(pre > threshold, np.maximum(pre, 0), 0)


def top(pre: np.ndarray, k: int) -> np.ndarray:
    kth = np.sort(pre, axis=1)[:, -k][:, None]
    return np.where(pre >= kth, np.maximum(pre, 0), 0)


def check(sae: Sae, x: np.ndarray, acts: np.ndarray, out: np.ndarray) -> None:
    assert 0 < (acts != 0).mean() < 1
    tokens = torch.from_numpy(x)
    np.testing.assert_allclose(sae.encode(tokens).numpy(), acts, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(sae.encode_csr(tokens, batch_size=11).toarray(), acts, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(sae.reconstruct(tokens).numpy(), out, atol=5e-5, rtol=1e-5)


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
