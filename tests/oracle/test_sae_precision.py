"""What reduced precision costs, held to the figures that docs/saes.md states; and the GPU against the CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch

import congruence
from congruence.saes import Sae, list_saes

DEMO = Path(congruence.__file__).parent / "assets" / "demo" / "saes" / "small"


@pytest.fixture(scope="module")
def sae() -> Sae:
    if not DEMO.is_dir():
        pytest.skip("the embedded demo's SAEs aren't there")
    return list_saes(DEMO)[-1].load()


@pytest.fixture(scope="module")
def x(sae: Sae) -> torch.Tensor:
    """Inputs such as the SAE was made for: sparse sums of its decoder rows, and some noise."""
    rng = np.random.default_rng(0)
    acts = np.zeros((1024, sae.d_sae), np.float32)
    for row in acts:
        row[rng.choice(sae.d_sae, sae.k, replace=False)] = rng.exponential(2.0, sae.k)
    clean = sae.decode(torch.from_numpy(acts))
    return clean + 0.1 * clean.std() * torch.from_numpy(rng.standard_normal(clean.shape).astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "median", "lost"), [(torch.bfloat16, 0.01, 0.03), (torch.float16, 0.0015, 0.004)]
)
def test_reduced_precision_keeps_to_its_stated_error(
    sae: Sae, x: torch.Tensor, dtype: torch.dtype, median: float, lost: float
) -> None:
    exact, reduced = sae.encode(x), sae.to(dtype=dtype).encode(x).float()
    both = (exact != 0) & (reduced != 0)
    assert ((exact - reduced).abs() / exact.abs())[both].median() < median
    assert ((exact != 0) & (reduced == 0)).sum() < lost * (exact != 0).sum()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_gpu_gives_the_cpus_numbers(sae: Sae, x: torch.Tensor) -> None:
    on_gpu = sae.to("cuda")
    torch.testing.assert_close(on_gpu.encode(x).cpu(), sae.encode(x), atol=1e-4, rtol=1e-4)
    difference = on_gpu.encode_csr(x) - sae.encode_csr(x)
    assert abs(difference).max() < 1e-3
