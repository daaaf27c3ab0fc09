import pytest
import torch

from congruence.saes.finite import all_finite


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_finds_what_isfinite_finds(dtype):
    largest = torch.finfo(dtype).max
    finite = torch.randn(50, 30, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert all_finite(finite)
    assert all_finite(finite[:0])
    assert all_finite(torch.full((50, 30), largest, dtype=dtype))  # whose sum isn't
    for bad in ([torch.nan], [torch.inf], [-torch.inf], [torch.inf, -torch.inf], [torch.nan, largest]):
        broken = finite.clone()
        for place, value in enumerate(bad):
            broken[7 * place, 3] = value
        assert not all_finite(broken), bad
