import numpy as np
import pytest

from congruence.significance.quantiles import quantiles

LEVELS = [0.0, 0.05, 0.3, 0.5, 0.95, 1.0]


@pytest.mark.parametrize("n", [1, 2, 3, 20, 99, 1000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_same_bits_as_numpy(n, dtype):
    for seed in range(5):
        values = np.random.default_rng(seed).normal(size=n).astype(dtype)
        values[: n // 3] = values[0]  # ties
        assert quantiles(values, LEVELS) == np.quantile(values.astype(np.float64), LEVELS).tolist()
