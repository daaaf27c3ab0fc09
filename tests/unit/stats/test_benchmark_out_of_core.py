"""The benchmark of what doesn't fit in memory writes shards as captures do: it runs, and finds what float64 finds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "coactivation_large.py"


@pytest.mark.slow
@pytest.mark.skipif(not BENCHMARK.exists(), reason="benchmarks are no part of an installation")
def test_it_runs_and_agrees_with_float64():
    command = [sys.executable, str(BENCHMARK), "--features", "1024", "--tokens", "9000", "--l0", "20"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"largest difference from float64 .*: (\S+)", said)
    assert found is not None
    assert float(found[1]) < 1e-6
