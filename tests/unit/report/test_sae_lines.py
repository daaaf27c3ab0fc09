"""The SAEs of a run in words: one line a side, one a layer."""

from dataclasses import replace
from pathlib import Path

import pytest

from congruence.report.sae_lines import sae_line, sae_lines
from congruence.run.results import load_run

FIRST = {
    "source": "/data/models/pythia/saes",
    "sae_id": "layers.1",
    "format": "sparsify",
    "hook_name": "layers.1",
    "architecture": "topk",
    "d_sae": 32768,
    "l0": 32.0,
    "fvu": 0.123,
    "key": "0123456789abcdef",
}


def with_saes(planted: Path, saes: object):
    run = load_run(planted)
    side = run.info["sides"]["a"] | {"saes": saes}
    return replace(run, info=run.info | {"sides": run.info["sides"] | {"a": side}})


@pytest.mark.parametrize(
    ("saes", "line"),
    [
        ({"1": FIRST}, "…/pythia/saes; topk, 32,768 features, L0 32, FVU 0.12"),
        (
            {"1": FIRST, "2": FIRST | {"l0": 41.25, "fvu": 0.2, "d_sae": 65536}},
            "…/pythia/saes; topk, 32,768–65,536 features, L0 32–41.2, FVU 0.12–0.20",
        ),
        ({"1": FIRST | {"source": "acme/saes", "fvu": None, "l0": None}}, "acme/saes; topk, 32,768 features"),
        (
            {"1": FIRST, "2": FIRST | {"source": "mine", "architecture": "relu", "fvu": None}},
            "…/pythia/saes to mine; topk, relu, 32,768 features, L0 32, FVU 0.12",
        ),
    ],
)
def test_one_line_a_side(planted, saes, line):
    run = with_saes(planted, saes)
    assert sae_line(run, "a") == f"SAEs of {run.side_name('a')}: {line}"


@pytest.mark.parametrize("saes", [None, {}, [], {"1": "x"}, "x"])
def test_a_run_without_a_record_says_nothing(planted, saes):
    assert sae_line(with_saes(planted, saes), "a") == ""
    assert sae_lines(with_saes(planted, saes), "a") == []


def test_one_line_a_layer(planted):
    (line,) = sae_lines(with_saes(planted, {"1": FIRST}), "a")
    about = "sparsify, layers.1, topk, 32,768 features, L0 32, FVU 0.12, key 0123456789abcdef"
    assert line == f"layer 1: layers.1 ({about})"
