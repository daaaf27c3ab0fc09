"""A measure's options, words and label: written once, checked before anything is computed."""

import inspect

import numpy as np
import pytest

from congruence import metrics
from congruence.errors import ConfigError, InputError
from congruence.metrics import METRICS, Laws, Measure, is_answerable, measure_of, metric
from congruence.options import field_docs

every_measure = pytest.mark.parametrize("name", METRICS.names())


@every_measure
def test_every_measure_has_words(name):
    measure = METRICS.get(name).bind()
    assert measure.title
    assert measure.reading.endswith(".")
    assert measure.beware.endswith(".")
    assert "{" not in measure.sentence(0.5)
    assert any(text in measure.sentence(0.5) for text in ("0.50", "50%"))
    assert "–" in measure.sentence(float("nan"))


@every_measure
def test_every_option_says_what_it_is(name):
    cls = METRICS.get(name).measure
    assert all(field_docs(cls).values()), field_docs(cls)
    function = getattr(metrics, name)
    assert function is METRICS.get(name).function
    parameters = inspect.signature(function).parameters
    assert list(parameters) == ["x", "y", *field_docs(cls)]
    assert all(parameters[option].kind is inspect.Parameter.KEYWORD_ONLY for option in field_docs(cls))
    for option in ("x", "y", *field_docs(cls)):
        assert f"\n    {option}: " in function.__doc__
    for section in ("Args:", "Returns:", "Raises:", "Source:"):
        assert section in function.__doc__


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rsa", {"rdm": "euclidian"}, "rdm='euclidian' isn't known: did you mean 'euclidean'"),
        ("rsa", {"unit_rows": "maybe"}, "unit_rows='maybe': use true or false"),
        ("rsa", {"unit_rows": 1}, "unit_rows=1: use true or false"),
        ("rsa", {"unitrows": True}, "measure 'rsa': unknown option 'unitrows': did you mean 'unit_rows'"),
        ("translation_accuracy", {"splits": 0}, "splits=0: use a whole number from 1 to 10,000"),
        ("translation_accuracy", {"splits": True}, "splits=True"),
        ("translation_accuracy", {"at": []}, r"at=\(\)"),
        ("svcca", {"n_components": "n/5"}, "n_components='n/5': use a whole number of at least 1, or 'n/10'"),
        ("svcca", {"variance": 0.9, "n_components": 3}, "give one of the two"),
        ("rbf_cka", {"bandwidth": float("inf")}, "bandwidth=inf"),
        ("mppc", {"splits": 2}, "measure 'mppc' takes no options: remove 'splits'"),
    ],
)
def test_options_are_refused_when_bound(name, options, message):
    with pytest.raises(InputError, match=message) as caught:
        METRICS.get(name).bind(**options)
    assert "\n" not in str(caught.value)


def test_labels_leave_defaults_out_and_can_be_read_back():
    for name, options, label in [
        ("svcca", {"variance": 0.9, "center": True}, "svcca(variance=0.9)"),
        ("svcca", {"n_components": "n/10"}, "svcca(n_components=n/10)"),
        ("rsa", {"rdm": "correlation"}, "rsa"),
        (
            "translation_accuracy",
            {"at": [1, 5], "splits": np.int64(2)},
            "translation_accuracy(at=(1, 5), splits=2)",
        ),
    ]:
        measure = METRICS.get(name).bind(**options)
        assert measure.label == label
        assert measure_of(label) == measure
        assert hash(measure_of(label)) == hash(measure)
    with pytest.raises(ConfigError, match="svcca"):
        measure_of("svca")


def test_sentences_follow_the_options():
    bind = METRICS.get("translation_accuracy").bind
    assert "the right partner for 43% of" in bind().sentence(0.43)
    assert "the right partner among 20 for 43% of" in bind(candidates=20).sentence(0.43)
    assert bind(at=5).sentence(0.43) == "the score is 0.43"


def test_a_size_that_decides_the_answer_is_known_before_drawing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 20)), rng.normal(size=(60, 25))
    few = METRICS.get("svcca").bind(n_components=16).prepare(x, y)
    assert not is_answerable(few)
    assert few.observed().details["answerable"] is False
    assert "below 2(k_a + k_b) = 64" in few.observed().warnings[0]
    tenth = METRICS.get("svcca").bind(n_components="n/10").prepare(x, y)
    assert is_answerable(tenth)
    assert tenth.observed().details["k_a"] == 6
    assert METRICS.get("svcca").bind(n_components="n/10").prepare(x[:8], y[:8]).observed().details["k_a"] == 1
    assert is_answerable(METRICS.get("rsa").bind().prepare(x, y))


def test_a_measure_is_one_class_under_one_decorator():
    @metric
    class Shift(Measure):
        """A constant."""

        name = "test_shift"
        laws = Laws(pairing=False)

        by: float = 1.0
        """What to add."""

        def prepare(self, x, y):
            raise InputError(f"by={self.by}")

    try:
        assert METRICS.get("test_shift").bind(by=2).label == "test_shift(by=2.0)"
        with pytest.raises(InputError, match=r"by=3\.0"):
            METRICS.get("test_shift")([[1]], [[1]], by=3)
        with pytest.raises(ConfigError, match="already registered"):
            metric(type("Again", (Measure,), {"name": "test_shift", "__annotations__": {}}))
    finally:
        del METRICS._entries["test_shift"]
    assert Shift.function.__name__ == "test_shift"
