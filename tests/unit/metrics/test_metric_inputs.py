"""What may be passed to a measure, and the one line that says what may not."""

import numpy as np
import pytest
import torch

from congruence import metrics
from congruence.errors import ConfigError, InputError
from congruence.metrics import METRICS

NAMES = METRICS.names()
KNN = ("mutual_knn", "jaccard_knn")
HELD_OUT = ("heldout_cca", "heldout_r2", "translation_accuracy")
every_measure = pytest.mark.parametrize("name", NAMES)


def call(name, x, y, **options):
    if name in KNN:
        options.setdefault("k", 3)
    return METRICS.get(name)(x, y, **options)


@pytest.fixture
def sides():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5))
    return x, x @ rng.normal(size=(5, 5)) + 0.5 * rng.normal(size=(40, 5))


def refused(name, x, y, match, **options):
    with pytest.raises(InputError, match=match) as caught:
        call(name, x, y, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@every_measure
def test_containers_and_types_give_one_answer(name, sides):
    x, y = (side.astype(np.float32) for side in sides)
    expected = float(call(name, x.astype(float), y.astype(float)))
    wide = np.zeros((40, 10), dtype=np.float32)
    wide[:, ::2] = x
    forms = [
        (x, y),
        (x.tolist(), y.tolist()),
        (np.asfortranarray(x), wide[:, ::2] * 0 + y),
        (wide[:, ::2], y[::-1][::-1]),
        (torch.tensor(x, requires_grad=True), torch.tensor(y)),
    ]
    for a, b in forms:
        assert float(call(name, a, b)) == pytest.approx(expected, abs=1e-12)


@every_measure
def test_half_precision_and_integers(name, sides):
    x, y = sides
    assert np.isfinite(float(call(name, x.astype(np.float16), torch.tensor(y).to(torch.bfloat16))))
    assert np.isfinite(float(call(name, np.round(10 * x).astype(int), np.round(10 * y).astype(int))))


@every_measure
def test_inputs_are_left_as_they_were(name, sides):
    x, y = sides
    before = x.copy(), y.copy()
    call(name, x, y)
    METRICS.get(name).prepare(x, y, **({"k": 3} if name in KNN else {})).repaired(np.arange(40)[None])
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


@every_measure
def test_score_record(name, sides):
    score = call(name, *sides)
    assert score.measure == name
    assert score.n == 40
    assert float(score) == score.value
    assert isinstance(score.value, float)
    assert isinstance(score.warnings, tuple)


@every_measure
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(name, bad, sides):
    x, y = sides
    y = y.copy()
    y[7, 2] = bad
    assert "drop" in refused(name, x, y, r"y has NaN or infinite values in 1 rows \(first: row 7\)")


@every_measure
def test_unequal_rows(name, sides):
    x, y = sides
    refused(name, x, y[:-1], "x has 40 rows and y has 39")


@every_measure
@pytest.mark.parametrize("n", [1, 2])
def test_too_few_rows(name, n, sides):
    x, y = sides
    refused(name, x[:n], y[:n], f"{n} rows.*needs at least")


@every_measure
@pytest.mark.parametrize("value", [0.0, 0.1, 1e12])
def test_zero_variance(name, value, sides):
    x, _ = sides
    refused(name, x, np.full((40, 5), value), "y has zero variance|y has 40 zero rows")
    refused(name, np.tile([1.0, 2.0, 3.1, 4.0, 5.0], (40, 1)), x, "x has zero variance.*rank 0")


@every_measure
def test_not_a_matrix(name, sides):
    x, y = sides
    for bad in (x[:, 0], x[None], 3.0, np.empty((40, 0)), np.empty((0, 5))):
        refused(name, bad, y, "x has shape|rows")
    for bad in ([["a", "b"]] * 40, None, x.astype(complex), [[1.0], [1.0, 2.0]] * 20):
        refused(name, x, bad, "y isn't a numeric matrix|y has shape")


@every_measure
def test_values_that_cannot_be_read(name, sides):
    x, y = sides
    refused(name, np.ma.masked_array(x, mask=x > 1), y, "x has masked values")
    refused(name, x, torch.empty(40, 5, device="meta"), "y isn't a numeric matrix")
    refused(name, torch.tensor(x).to_sparse(), y, "x isn't a numeric matrix.*dense")


@every_measure
def test_extreme_magnitudes(name, sides):
    """No overflow or underflow where a float64 can hold the input itself."""
    x, y = sides
    if not METRICS.get(name).laws.scale:
        return
    expected = float(call(name, x, y))
    for factor in (1e-200, 1e-20, 1e20, 1e200):
        assert float(call(name, x * factor, y / factor)) == pytest.approx(expected, abs=1e-9)


@every_measure
def test_a_large_offset_costs_no_more_than_its_digits(name, sides):
    x, y = sides
    if METRICS.get(name).laws.translation:
        assert float(call(name, x + 1e6, y)) == pytest.approx(float(call(name, x, y)), abs=1e-6)


@every_measure
@pytest.mark.parametrize(("n", "d_a", "d_b"), [(8, 3, 3), (8, 40, 40), (30, 1, 1), (12, 11, 11)])
def test_shapes(name, n, d_a, d_b):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(n, d_a)), rng.normal(size=(n, d_b))
    if name == "rsa" and d_a == 1:
        refused(name, x, y, "constant rows")
        return
    if name in KNN and d_a == 1:
        return
    if (name in ("cca", "pwcca") and d_a >= n - 1) or (name == "svcca" and d_a > n):
        refused(name, x, y, "1.000 whatever the data")
        return
    assert np.isfinite(float(call(name, x, y)))


@every_measure
def test_rank_deficient(name):
    """Repeated and constant columns, and repeated rows, give a finite answer."""
    rng = np.random.default_rng(2)
    x = np.repeat(rng.normal(size=(20, 2)), 2, axis=0) @ np.array([[1.0, 2, 0, 1], [0, 1, 0, 1]])
    y = np.repeat(rng.normal(size=(20, 4)), 2, axis=0)
    assert np.isfinite(float(call(name, x + 0.5, y)))


@every_measure
def test_unknown_option(name, sides):
    with pytest.raises(TypeError, match="colour"):
        METRICS.get(name)(*sides, colour="red")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rsa", {"rdm": "manhattan"}, "rdm='manhattan'.*'correlation', 'euclidean', 'cosine'"),
        ("rsa", {"compare": "rho"}, "compare='rho'"),
        ("svcca", {"variance": 0.0}, "variance=0.0"),
        ("svcca", {"variance": 1.5}, "variance=1.5"),
        ("svcca", {"variance": float("nan")}, "variance=nan"),
        ("svcca", {"variance": 0.9, "n_components": 3}, "give one of the two"),
        ("svcca", {"n_components": 6}, "n_components=6: use a whole number from 1 to 5"),
        ("svcca", {"n_components": 0}, "n_components=0"),
        ("svcca", {"n_components": 2.5}, "n_components=2.5"),
        ("svcca", {"on_forced": "ignore"}, "on_forced='ignore'"),
        ("rbf_cka", {"bandwidth": 0}, "bandwidth=0"),
        ("mutual_knn", {"k": 0}, "k=0"),
        ("mutual_knn", {"k": 39}, "k=39.*up to 38"),
        ("jaccard_knn", {"k": 39}, "k=39"),
        ("jaccard_knn", {"distance": "l1"}, "distance='l1'"),
        ("translation_accuracy", {"at": ()}, "at=\\(\\)"),
        ("translation_accuracy", {"at": (0,)}, "at=0"),
        ("translation_accuracy", {"splits": 0}, "splits=0"),
        ("heldout_cca", {"n_components": 20}, "n_components=20"),
        ("heldout_r2", {"splits": -1}, "splits=-1"),
    ],
)
def test_bad_options(name, options, message, sides):
    refused(name, *sides, message, **options)


def test_debiased_cka_needs_four_rows():
    x = np.random.default_rng(0).normal(size=(3, 2))
    refused("linear_cka", x, x[::-1], "at least 4")
    assert np.isfinite(float(metrics.linear_cka(x, x[::-1], debiased=False)))


def test_three_rows_are_enough():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 2))
    for name in ("pc1_correlation", "rsa", "procrustes", "mean_cosine", "mppc", "pw_mcc"):
        assert np.isfinite(float(call(name, x, y, **({"rdm": "euclidean"} if name == "rsa" else {}))))


@pytest.mark.parametrize("name", HELD_OUT)
def test_held_out_measures_need_six(name):
    x, y = np.random.default_rng(0).normal(size=(2, 5, 2))
    refused(name, x, y, "at least 6")


def test_rsa_names_rows_without_direction(sides):
    x, y = sides
    x = x.copy()
    x[3] = 0.25
    refused("rsa", x, y, r"x has 1 constant rows \(first: row 3\)")
    assert np.isfinite(float(metrics.rsa(x, y, rdm="euclidean")))
    x[3] = 0
    for name in ("mutual_knn", "mean_cosine", "pw_mcc"):
        refused(name, x, y, r"x has 1 zero rows \(first: row 3\)")
    refused("procrustes", x, y, "zero rows", unit_rows=True)


def test_rsa_of_equal_distances():
    refused("rsa", np.eye(5), np.eye(5), "equally far apart", rdm="euclidean")


def test_unknown_measure_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'svcca'"):
        METRICS.get("svca")


def test_svcca_at_the_papers_subspace_sizes_is_one_and_says_why():
    """n = 24 features in 512 and 768 dimensions: 1.000 whatever the data."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 512)), rng.normal(size=(24, 768))
    message = refused("svcca", x, y, "1.000 whatever the data: n=24 pairs span 23 dimensions")
    assert "k_a=23 and k_b=23" in message
    score = metrics.svcca(x, y, on_forced="warn")
    assert float(score) == pytest.approx(1.0, abs=1e-12)
    assert score.details["forced"] == 23
    assert "whatever the data" in score.warnings[0]
    refused("cca", x, y, "cca is 1.000 whatever the data")
    refused("pwcca", x, y, "pwcca is 1.000 whatever the data")


def test_svcca_flags_what_is_partly_forced():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(46, 512)), rng.normal(size=(46, 768))
    score = metrics.svcca(x, y, n_components=30)
    assert score.details == score.details | {"n": 46, "k_a": 30, "k_b": 30, "forced": 15}
    assert "below 2(k_a + k_b) = 120" in score.warnings[0]
    assert "15 of 30 correlations are 1 by counting alone" in score.warnings[0]
    assert metrics.svcca(x, y, n_components=5).warnings == ()


def test_svcca_reports_what_it_kept(sides):
    score = metrics.svcca(*sides, variance=0.8)
    assert score.details["variance_a"] >= 0.8
    assert score.details["k_a"] < score.details["rank_a"] == 5
    assert len(score.details["correlations"]) == min(score.details["k_a"], score.details["k_b"])


def test_pc1_flags_a_tie():
    square = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert "isn't unique" in metrics.pc1_correlation(square, square).warnings[0]


def test_mppc_counts_constant_columns(sides):
    x, y = sides
    x = np.column_stack([x, np.full(40, 0.1)])
    score = metrics.mppc(x, y)
    assert score.details["constant_a"] == 1
    assert "constant columns" in score.warnings[0]
    assert float(score) == pytest.approx(float(metrics.mppc(*sides)))


def test_translation_accuracy_states_chance(sides):
    score = metrics.translation_accuracy(*sides, at=(1, 5))
    assert score.details["chance_at_1"] == pytest.approx(1 / 20)
    assert score.details["chance_at_5"] == pytest.approx(5 / 20)
    assert score.details["at_5"] >= score.details["at_1"] == score.value


def test_translation_accuracy_finds_a_rotation_between_widths():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 20))
    y = x @ np.linalg.qr(rng.normal(size=(30, 20)))[0].T
    assert float(metrics.translation_accuracy(x, y)) == 1.0
    assert float(metrics.translation_accuracy(y, x)) == 1.0


def test_ties_in_retrieval_share_the_credit():
    """Every held-out row twice: its partner and the partner's copy are equally near, so half are found."""
    x = np.repeat(np.random.default_rng(0).normal(size=(100, 4)), 2, axis=0)
    score = metrics.translation_accuracy(x, x, at=(1, 2))
    assert 0.5 < float(score) < 0.9
    assert score.details["at_2"] == 1.0


def test_equal_distances_tie_whatever_the_rounding():
    """Integer points: many distances are equal, and a rotation must not split the ties."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, size=(2, 60, 3)).astype(float)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    value = float(metrics.rsa(x, y, rdm="euclidean"))
    assert float(metrics.rsa(x @ turn, y, rdm="euclidean")) == pytest.approx(value, abs=1e-12)


def test_tied_neighbours_go_to_the_lower_row():
    """Points on a line, all gaps equal: the second neighbour of an inner point is its left or right one."""
    line = np.arange(8.0)[:, None] * np.array([[1.0, 0.0]])
    near = METRICS.get("mutual_knn").prepare(line, line, k=1, distance="euclidean").near_a[:, 0]
    assert near.tolist() == [1, 0, 1, 2, 3, 4, 5, 6]
