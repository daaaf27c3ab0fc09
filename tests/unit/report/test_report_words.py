"""Words of measures and nulls: read from the registries, readable with options, absent for what isn't installed."""

import pytest

from congruence.metrics import METRICS
from congruence.nulls import NULLS
from congruence.view.words import measure_words, null_words


@pytest.mark.parametrize("name", METRICS.names())
def test_every_registered_measure_has_words(name: str) -> None:
    words = measure_words(name)
    assert words.title
    assert words.reading.endswith(".")
    assert words.beware.endswith(".")
    assert words.sentence(0.5)


@pytest.mark.parametrize("name", NULLS.names())
def test_every_registered_null_has_a_hypothesis(name: str) -> None:
    assert null_words(name).hypothesis == NULLS.get(name).hypothesis


@pytest.mark.parametrize(
    ("label", "title"),
    [
        ("svcca", "SVCCA"),
        ("svcca(n_components=n/10)", "SVCCA, n components: n/10"),
        ("translation_accuracy(candidates=20)", "Translation accuracy, candidates: 20"),
        (
            "rsa(rdm=cosine, compare=kendall)",
            "Representational similarity (RSA), rdm: cosine, compare: kendall",
        ),
    ],
)
def test_options_are_readable_in_titles(label: str, title: str) -> None:
    assert measure_words(label).title == title


def test_what_is_not_installed_goes_by_its_name() -> None:
    assert measure_words("from_a_plugin(k=3)").title == "from_a_plugin(k=3)"
    assert measure_words("from_a_plugin").sentence(0.25) == "the score is 0.25"
    assert null_words("from_a_plugin").title == "from_a_plugin"
    assert null_words("from_a_plugin").in_words == "under the null 'from_a_plugin'"
