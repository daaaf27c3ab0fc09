"""The best partner over layers, and the occasions on which a feature fires, against the slow obvious way."""

import numpy as np
import pytest
from scipy import sparse

from congruence.matching.counterparts import best_r, counterparts_of_pair, over_layers
from congruence.stats import best_r_null, prepare
from congruence.stats.occasions import occasions

OFFSETS = np.arange(0, 401, 40)


def layer(seed, features):
    rng = np.random.default_rng(seed)
    acts = np.maximum(rng.standard_normal((400, features)) - 1, 0)
    acts[:, -1] = 0  # one that never fires
    return prepare(sparse.csr_array(acts.astype(np.float32)), document_offsets=OFFSETS), acts


@pytest.fixture(scope="module")
def found():
    a, others = layer(0, 12), [layer(1, 9), layer(2, 15)]
    pairs = [counterparts_of_pair(a[0], b[0], draws=3, rng=np.random.default_rng(7)) for b in others]
    return a, others, pairs


def test_the_best_over_layers(found):
    (_, acts), others, pairs = found
    best = over_layers(pairs, "a")
    for f in range(11):
        r = [np.corrcoef(acts[:, f], b[:, :-1].T)[0, 1:] for _, b in others]
        place = int(np.argmax([one.max() for one in r]))
        partner = int(r[place].argmax())
        assert (best.place[f], best.feature[f]) == (place, partner)
        assert best.r[f] == pytest.approx(r[place].max(), abs=1e-6)
        assert best.cofirings[f] == ((acts[:, f] > 0) & (others[place][1][:, partner] > 0)).sum()
        back = np.corrcoef(others[place][1][:, partner], acts[:, :-1].T)[0, 1:]
        assert best.mutual[f] == (back.argmax() == f)
    assert (best.place[11], best.feature[11]) == (-1, -1)
    assert np.isnan(best.r[11])
    np.testing.assert_array_equal(best_r(pairs, "a"), best.r)


def test_the_null_takes_the_best_over_layers_draw_by_draw(found):
    (a, _), others, pairs = found
    drawn = [best_r_null(a, b, rng=np.random.default_rng(7), draws=3) for b, _ in others]
    expected = np.fmax(drawn[0].a_to_b, drawn[1].a_to_b)
    np.testing.assert_allclose(over_layers(pairs, "a").null[:, :-1], expected[:, :-1], atol=1e-6)


def test_occasions_are_documents_that_weigh_alike(found):
    acts = np.zeros((400, 4), np.float32)
    acts[::40, 0] = 2.0  # once in each of ten documents
    acts[:5, 1] = 1.0  # all in one
    acts[[0, 40, 41], 2] = 1.0  # one against two: 9 / 5
    prepared = prepare(sparse.csr_array(acts))
    assert occasions(prepared, OFFSETS).tolist() == pytest.approx([10, 1, 9 / 5, 0])
    (a, dense), *_ = found
    weights = (dense**2).reshape(10, 40, -1).sum(1)
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(weights.sum(0) ** 2 / (weights**2).sum(0))
    np.testing.assert_allclose(occasions(a, OFFSETS), expected, rtol=1e-5)


def test_occasions_do_not_depend_on_how_rows_come_in_blocks():
    rng = np.random.default_rng(0)
    acts = sparse.csr_array(np.maximum(rng.standard_normal((400, 6)) - 1, 0).astype(np.float32))

    class Blocks:
        shape, document_offsets = acts.shape, OFFSETS

        def __iter__(self):
            return (acts[start : start + 33] for start in range(0, 400, 33))

    np.testing.assert_allclose(occasions(prepare(Blocks()), OFFSETS), occasions(prepare(acts), OFFSETS))
