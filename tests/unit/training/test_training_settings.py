import pytest

from congruence.errors import InputError
from congruence.training import SaeSettings, TrainingSettings
from congruence.training.config import OPTIONS


def test_d_sae_is_a_multiple_of_the_width_unless_given():
    assert SaeSettings(expansion=8).features(96) == 768
    assert SaeSettings(expansion=8, d_sae=100).features(96) == 100


@pytest.mark.parametrize(
    ("architecture", "option"),
    [
        ("topk", {"l1_coefficient": 1.0}),
        ("gated", {"k": 3}),
        ("relu", {"widths": [1, 2]}),
        ("jumprelu", {"k": 3}),
    ],
)
def test_option_of_another_architecture_is_refused(architecture, option):
    with pytest.raises(InputError, match=f"{next(iter(option))} isn't an option of {architecture}"):
        SaeSettings(architecture=architecture, **option)


def test_every_architecture_has_its_options_listed():
    assert all(SaeSettings(architecture=name).architecture == name for name in OPTIONS)


@pytest.mark.parametrize(
    "wrong", [{"warm_up": 0.6, "decay": 0.6}, {"buffer": 10, "batch": 20}, {"steps": 0}, {"learning_rate": 0}]
)
def test_schedule_that_cannot_be_run_is_refused(wrong):
    with pytest.raises(InputError):
        TrainingSettings(**wrong)
