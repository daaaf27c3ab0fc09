"""A matcher's own options: checked from its signature, for ours and for those of other packages."""

import numpy as np
import pytest
from scipy import sparse

from congruence.errors import ConfigError
from congruence.matching import MATCHERS, check_options, match


@pytest.fixture
def plugin():
    def nearest(a, b, *, measure, min_cofirings, radius: int = 3, how: str = "plain", loose=None):
        return radius

    MATCHERS.add("nearest_of_a_plugin", nearest)
    yield "nearest_of_a_plugin"
    del MATCHERS._entries["nearest_of_a_plugin"]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("transport", {"epsilon": 0.1}),
        ("transport", {"epsilon": 1}),
        ("transport", {"from_": "a", "keep": "first"}),
        ("one_to_one", {"from_": "a", "keep": "first"}),
        ("greedy", {}),
        ("nearest_of_a_plugin", {"radius": 2, "how": "round", "loose": object()}),
    ],
)
def test_options_that_fit_are_taken(method, options, plugin):
    check_options(method, options)


@pytest.mark.parametrize(
    ("method", "options", "says"),
    [
        ("transport", {"epsilo": 0.1}, "did you mean 'epsilon'"),
        ("transport", {"epsilon": 0}, "epsilon=0: use a number above 0"),
        ("transport", {"epsilon": "0.05"}, "epsilon='0.05': use a number above 0"),
        ("transport", {"epsilon": True}, "epsilon=True: use a number above 0"),
        ("many_to_one", {"from_": "A"}, "from_='A' isn't known: use one of 'a', 'b'"),
        ("greedy", {"keep": "last"}, "use one of 'best', 'first'"),
        ("greedy", {"epsilon": 0.1}, "unknown option 'epsilon'"),
        ("greedy", {"correlation": None}, "unknown option 'correlation'"),
        ("transport", {"measure": "cosine"}, "unknown option 'measure'"),
        ("nearest_of_a_plugin", {"radios": 2}, "did you mean 'radius'"),
        ("nearest_of_a_plugin", {"radius": 2.5}, "radius=2.5: use a whole number"),
        ("transprot", {}, "did you mean 'transport'"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(method, options, says, plugin):
    with pytest.raises(ConfigError) as caught:
        check_options(method, options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_reach_the_matcher():
    acts = sparse.random_array((60, 8), density=0.4, format="csr", rng=np.random.default_rng(0))
    assert "0.5" in match(acts, acts, method="transport", epsilon=0.5).objective
    with pytest.raises(ConfigError, match="above 0"):
        match(acts, acts, method="transport", epsilon=-1.0)
    assert match(acts, acts, method="one_to_one", from_="a", keep="first").method == "one_to_one"
