"""Records as people meet them: short lines, escaped tables, and a score that is a number."""

import math
import pickle
import statistics

import numpy as np
import pandas as pd
import pytest

from congruence.matching import MATCHERS, match
from congruence.metrics import METRICS
from congruence.records import Score
from congruence.significance import permutation_test
from congruence.stats import correlate


@pytest.fixture(scope="module")
def score() -> Score:
    return Score("rsa", 0.4321, 353, {"tied <b>": 3}, ("few pairs & <script>",))


def test_a_score_is_used_as_its_number(score: Score) -> None:
    assert float(score) == 0.4321
    assert score == 0.4321
    assert hash(score) == hash(0.4321)
    assert 0.4 < score < 0.5
    assert score >= 0.4321
    assert not score > 1
    assert score + 1 == 1 + score == 1.4321
    assert type(score + 1) is float
    assert score - score == 0
    assert 2 * score == 0.8642
    assert score / 2 == 0.21605
    assert 1 / score == 1 / 0.4321
    assert score**2 == 0.4321**2
    assert -score == -0.4321
    assert abs(-score) == 0.4321
    assert round(score, 2) == 0.43
    assert round(score) == 0
    assert int(score) == 0
    assert math.floor(score) == 0
    assert f"{score:.2f}" == "0.43"
    assert f"{score:%}" == "43.210000%"
    assert "rsa" in f"{score}"
    assert sum([score, score]) == 0.8642
    assert max(score, Score("rsa", 0.5, 9)).n == 9
    assert sorted([score, 0.1]) == [0.1, score]
    assert statistics.mean([0.4321, 0.4321]) == score
    assert math.isclose(score, 0.4321)
    assert not Score("rsa", 0.0, 3)
    assert score


def test_a_score_beside_arrays_and_tables(score: Score) -> None:
    assert np.array([score, score]).dtype == np.float64
    assert np.mean([score, score]) == 0.4321
    assert np.isfinite(score)
    assert np.sqrt(score) == np.sqrt(0.4321)
    for product in (score * np.arange(3), np.arange(3) * score):
        np.testing.assert_array_equal(product, 0.4321 * np.arange(3))
    assert np.float64(1) + score == 1.4321
    assert (np.array([0.4, 0.5]) < score).tolist() == [True, False]
    assert (pd.Series([0.4, 0.5]) > score).tolist() == [False, True]
    assert np.isnan(Score("rsa", math.nan, 3) + 1)


def test_what_is_no_number_is_refused(score: Score) -> None:
    assert score != "0.4321"
    assert score is not None
    assert score != [0.4321]
    with pytest.raises(TypeError):
        score + "1"
    with pytest.raises(TypeError):
        score < None  # noqa: B015
    again = pickle.loads(pickle.dumps(score))
    assert (again.n, again.details, again.warnings) == (score.n, score.details, score.warnings)


def test_short_lines_and_escaped_tables(score: Score) -> None:
    rng = np.random.default_rng(0)
    a = np.maximum(rng.normal(size=(60, 5)), 0).astype(np.float32)
    found = correlate(a, a[:, ::-1].copy())
    test = permutation_test(
        "rsa", a + rng.normal(size=a.shape), a + rng.normal(size=a.shape), draws=19, rng=0
    )
    matching = match(a, a[:, ::-1].copy())
    shown = [score, test, found, matching, METRICS, MATCHERS]
    assert repr(score) == "Score(rsa: 0.4321, n=353, 1 warning)"
    assert repr(test).startswith("NullTest(rsa: ")
    assert "5 × 5 features, 60 tokens" in repr(found)
    assert "5 pairs, mean pearson 1.00" in repr(matching)
    assert "rsa" in repr(METRICS)
    for one in shown:
        assert "\n" not in repr(one)
        assert len(repr(one)) < 400
        assert one._repr_html_().startswith("<div>")
        assert "<script" not in one._repr_html_()
    assert "few pairs &amp; &lt;script&gt;" in score._repr_html_()
    assert "\\u202e" in Score("rsa", 0.1, 3, warnings=("a\u202eb",))._repr_html_()
