"""Each named null draws what it says, and asks for what it needs."""

import numpy as np
import pytest
from scipy import sparse

from congruence.errors import InputError
from congruence.nulls.document_shift import rotated
from congruence.nulls.pairing import strata_of, within
from congruence.significance import permutation_test

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 40, 4))


def test_strata_are_of_one_size_and_ordered():
    rates = RNG.permutation(40)
    groups = strata_of(rates, 40, 7)
    assert sorted(map(len, groups)) == [5, 5, 6, 6, 6, 6, 6]
    assert [rates[group].max() for group in groups[:-1]] <= [rates[group].min() for group in groups[1:]]


def test_rows_stay_in_their_stratum():
    groups = strata_of(np.arange(40), 40, 4)
    orders = within(groups, 0, range(300))
    assert (np.sort(orders, axis=1) == np.arange(40)).all()
    assert (orders // 10 == np.arange(40) // 10).all()
    assert len(np.unique(orders[:, 0])) == 10
    # strata move independently of each other
    both = (orders[:, 0] == 0) & (orders[:, 10] == 10)
    assert both.mean() < 0.05


def test_firing_rate_asks_for_one_rate_a_pair():
    for rates in (np.arange(39), np.full(40, np.nan), np.zeros((40, 2))):
        with pytest.raises(InputError, match="one finite firing rate"):
            permutation_test("rsa", X, Y, null="firing_rate", rates=rates, rng=0, draws=5)
    with pytest.raises(InputError, match="strata=21"):
        permutation_test("rsa", X, Y, null="firing_rate", rates=np.arange(40), strata=21, rng=0, draws=5)


def test_firing_rate_removes_what_rate_alone_explains():
    """Rows that are alike only in that both depend on the rate: found by pairing, not by firing_rate."""
    rates = np.linspace(0, 1, 200)
    x, y = (np.outer(rates, RNG.normal(size=6)) * 3 + RNG.normal(size=(200, 6)) for _ in range(2))
    loose = permutation_test("linear_cka", x, y, rng=0, draws=200)
    strict = permutation_test(
        "linear_cka", x, y, rng=0, draws=200, null="firing_rate", rates=rates, strata=40
    )
    assert loose.p < 0.01
    assert strict.null_mean > 0.8 * strict.observed


def test_subset_repairs_inside():
    spaces = RNG.normal(size=(30, 4)), RNG.normal(size=(25, 5))
    seen = []

    def rematch(a, b):
        seen.append((a, b))
        return a[: len(b)], b

    test = permutation_test(
        "rsa", X, Y, null="subset", spaces=spaces, sizes=(8, 6), rematch=rematch, rng=0, draws=12
    )
    assert test.draws == len(seen) == 12
    assert all(len(np.unique(a)) == 8 and len(np.unique(b)) == 6 and b.max() < 25 for a, b in seen)
    assert test.null == "subset"


def test_subset_draws_again_where_too_few_pairs_come_out():
    calls = []

    def rematch(a, b):
        calls.append(1)
        return (a, b) if len(calls) % 3 == 0 else (a[:1], b[:1])

    options = {"null": "subset", "spaces": (X, Y), "sizes": (5, 5), "rng": 0, "draws": 4}
    assert permutation_test("rsa", X, Y, rematch=rematch, **options).draws == 4
    assert len(calls) == 12
    with pytest.raises(InputError, match="use larger subsets"):
        permutation_test("rsa", X, Y, rematch=lambda a, b: (a[:0], b[:0]), **options)


def test_subset_pools_and_sizes():
    pools = (np.arange(10, 20), None)
    drawn = []

    def rematch(a, b):
        drawn.extend(a)
        return a, b

    options = {"null": "subset", "spaces": (X, Y), "rematch": rematch, "rng": 0, "draws": 5}
    permutation_test("rsa", X, Y, sizes=(6, 6), pools=pools, **options)
    assert set(drawn) <= set(range(10, 20))
    with pytest.raises(InputError, match="from 1 to 10"):
        permutation_test("rsa", X, Y, sizes=(11, 11), pools=pools, **options)


@pytest.mark.parametrize("null", ["random_model", "other_seed"])
def test_rerun_nulls(null):
    made = [RNG.normal(size=(2, 20, 3)) for _ in range(5)]
    test = permutation_test("rsa", X, Y, null=null, rerun=made, rng=0, draws=5)
    again = permutation_test(
        "rsa", X, Y, null=null, rerun=lambda rng: rng.normal(size=(2, 20, 3)), rng=0, draws=50
    )
    assert test.draws == 5
    assert again.null_std > 0
    with pytest.raises(InputError, match="use draws=5"):
        permutation_test("rsa", X, Y, null=null, rerun=made, rng=0, draws=6)


class Stored:
    """Activations in blocks, as a store gives them."""

    def __init__(self, matrix, offsets, block):
        self.matrix, self.document_offsets, self.block = sparse.csr_array(matrix), np.asarray(offsets), block
        self.shape = matrix.shape

    def __iter__(self):
        for start in range(0, self.shape[0], self.block):
            yield self.matrix[start : start + self.block]


@pytest.mark.parametrize("block", [1, 3, 100])
def test_rotated_store(block):
    matrix = RNG.random(size=(12, 3)) * (RNG.random(size=(12, 3)) < 0.5)
    stored = rotated(Stored(matrix, [0, 2, 5, 12], block), 5)
    found = sparse.vstack([block for _, block in stored.source.blocks()]).toarray()
    assert np.allclose(found, np.roll(matrix, -5, axis=0), rtol=1e-6)
    assert np.array_equal(rotated(sparse.csr_array(matrix), 5).toarray(), np.roll(matrix, -5, axis=0))
    assert stored.document_offsets.tolist() == [0, 7, 9, 12]


def test_document_shift_runs_the_pairing_again():
    offsets = np.array([0, 10, 22, 40])
    acts = sparse.csr_array(np.eye(40)), sparse.csr_array(np.eye(40))
    shifts = []

    def pair(a, b):
        shifts.append(int(b.tocoo().col[0]))
        return np.arange(40), b.tocsr().indices

    options = {"null": "document_shift", "spaces": (X, X), "acts": acts, "pair": pair, "rng": 0}
    test = permutation_test("rsa", X, X, draws=60, document_offsets=offsets, **options)
    assert sorted(shifts) == [0, 10, 22]  # each is paired once, however many draws
    assert test.observed == pytest.approx(1.0)
    assert 0.2 < test.p < 0.5
    with pytest.raises(InputError, match="needs document_offsets"):
        permutation_test("rsa", X, X, draws=5, **options)
    with pytest.raises(InputError, match="more documents"):
        permutation_test("rsa", X, X, draws=5, document_offsets=[0, 40], **options)


def test_document_shift_on_real_correlations():
    """Planted pairs survive on the right documents and don't on the wrong ones."""
    from congruence.matching import match

    rng = np.random.default_rng(1)
    n, features = 1200, 30
    offsets = np.arange(0, n + 1, 40)
    fires = rng.random(size=(n, features)) < 0.1
    acts = [sparse.csr_array((fires * rng.random(size=fires.shape)).astype(np.float32)) for _ in range(2)]
    rows = rng.normal(size=(features, 12))
    turned = rows @ np.linalg.qr(rng.normal(size=(12, 12)))[0]

    def pair(a, b):
        return match(a, b, method="many_to_one", from_="b")

    found = pair(*acts)
    test = permutation_test(
        "procrustes",
        rows[found.feature_a],
        turned[found.feature_b],
        null="document_shift",
        acts=acts,
        spaces=(rows, turned),
        pair=pair,
        document_offsets=offsets,
        draws=60,
        rng=0,
    )
    assert test.observed > 0.99
    assert test.p < 0.12
