"""The run-time checks of types and shapes cover every module without kernels, and they can fail."""

import importlib

import pytest
import torch
from jaxtyping import TypeCheckError

import shape_checks
from congruence.saes.fit import FitMeter


def test_all_annotations_can_be_checked():
    for name in shape_checks.modules():
        importlib.import_module(name)
    assert shape_checks.UNCHECKABLE == {}


def test_every_module_without_kernels_is_checked():
    kernels = {name for name, holds_some in shape_checks.modules().items() if holds_some}
    assert set(shape_checks.checked()) == set(shape_checks.modules()) - kernels - set(shape_checks.LEFT_OUT)
    assert len(shape_checks.checked()) > 0.8 * len(shape_checks.modules())


def test_a_wrong_shape_is_refused():
    identity = type("Identity", (), {"encode": lambda self, x: x, "decode": lambda self, f: f})()
    FitMeter(identity).update(torch.ones(5, 3))
    with pytest.raises(TypeCheckError):
        FitMeter(identity).update(torch.ones(()))


def test_checks_are_left_out_where_asked_and_are_back_after_it():
    identity = type("Identity", (), {"encode": lambda self, x: x, "decode": lambda self, f: f})()
    with pytest.raises(TypeError, match="0-d tensor"), shape_checks.unchecked():
        FitMeter(identity).update(torch.ones(()))
    with pytest.raises(TypeCheckError):
        FitMeter(identity).update(torch.ones(()))
