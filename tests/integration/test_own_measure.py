"""A user's own function as a measure: from Python and from a file, tested by the same nulls, keyed by its code."""

import json

import numpy as np
import pytest
import yaml
from command_line import in_process

from congruence.config.parsing import parse_config
from congruence.config.steps import check_names, measures_of
from congruence.errors import ConfigError, InputError
from congruence.metrics.own import own_measure
from congruence.run import compare, load_run

FILE = """
import numpy as np

def spread_agreement(x, y, *, power: float = 1.0):
    '''Correlation of the rows' norms.'''
    a, b = (np.linalg.norm(side - side.mean(0), axis=1) ** power for side in (x, y))
    return np.corrcoef(a, b)[0, 1]
"""


def spread_agreement(x, y):
    a, b = (np.linalg.norm(side - side.mean(0), axis=1) for side in (x, y))
    return np.corrcoef(a, b)[0, 1]


@pytest.fixture
def one_cell(small_config):
    small_config["a"]["layers"], small_config["b"]["layers"] = [1], [2]
    for side in "ab":
        small_config[side].pop("other_seed")
    small_config["null"] |= {"draws": 19}
    return small_config | {"corpus": small_config["corpus"] | {"documents": 20}}


@pytest.fixture
def sides():
    return {"a": {"model": "m", "saes": "s"}, "b": {"model": "m", "saes": "s"}, "corpus": {"path": "t"}}


@pytest.mark.slow
def test_a_file_in_a_run_and_the_same_function_from_python(one_cell, tmp_path, capsys):
    (tmp_path / "my_measure.py").write_text(FILE)
    step = {"file": "my_measure.py", "name": "spread_agreement"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**one_cell, "measures": ["rsa", step]}))
    done = in_process(
        capsys, "run", tmp_path / "config.yaml", "--out", tmp_path / "out", "--no-progress", "--no-pictures"
    )
    assert done.returncode == 0, done.stderr
    first = load_run(tmp_path / "out")
    row = first.results.set_index("measure").loc["spread_agreement"]
    assert (row.draws, row.scored) == (19, 19)
    assert row.p in [k / 20 for k in range(1, 21)]
    assert "spread_agreement" in first.info["own_measures"]
    cells = tmp_path / "out" / "cells"
    before = {place.name for place in cells.iterdir()}

    again = compare({**one_cell, "measures": [spread_agreement]}, out=tmp_path / "out", progress=False)
    of_python = again.results.set_index("measure").loc["spread_agreement"]
    assert (of_python.value, of_python.p) == (row.value, row.p)
    assert "measures.spread_agreement" in again.info["in_memory"]
    assert json.dumps(again.info["config"]["measures"]) == '["in memory: spread_agreement"]'

    (tmp_path / "my_measure.py").write_text(FILE.replace("return ", "return 1 - "))
    changed = compare(tmp_path / "config.yaml", out=tmp_path / "out", progress=False)
    other = changed.results.set_index("measure").loc["spread_agreement"]
    assert other.value == pytest.approx(1 - row.value)
    assert len({place.name for place in cells.iterdir()} - before) == 2  # Python's and the changed file's


BAD_FILES = [
    ("def f(x, y: return 1", "line 1.*SyntaxError"),
    ("import nothing_of_that_name", "line 1.*ModuleNotFoundError"),
    ("raise SystemExit(0)", "line 1.*SystemExit"),
    ("def g(x, y): return 1.0", "unknown function 'f'.*known are g"),
    ("f = 3", "unknown function 'f'"),
    ("def f(x): return 1.0", "called with two arrays"),
    ("def f(x, y, z): return 1.0", "called with two arrays"),
]


@pytest.mark.parametrize(("text", "said"), BAD_FILES)
def test_a_bad_file_is_one_line(sides, tmp_path, text, said):
    (tmp_path / "f.py").write_text(text)
    config = parse_config({**sides, "measures": [{"file": "f.py", "name": "f"}]}, base=tmp_path)
    with pytest.raises(ConfigError, match=said) as caught:
        check_names(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"file": "no.py", "name": "f"}, "no.py' is no file in"),
        ({"file": "f.py"}, "name is missing"),
        ({"file": "f.py", "nam": "f"}, "unknown key 'nam': did you mean 'name'"),
        ({"file": "f.py", "name": "f", "options": {"powr": 2}}, "did you mean 'power'"),
        ({"file": "f.py", "name": "f", "options": {"power": "much"}}, "power='much': use a number"),
        ({"file": "f.py", "name": "rsa"}, "has the name of one that congruence has"),
        ("in memory: f", "was an object of a Python call"),
    ],
)
def test_a_bad_step_is_one_line(sides, tmp_path, step, said):
    body = "def f(x, y, *, power: float = 1): return 1.0\ndef rsa(x, y): return 1.0"
    (tmp_path / "f.py").write_text(body)
    with pytest.raises(ConfigError, match=said):
        check_names(parse_config({**sides, "measures": [step]}, base=tmp_path))


def gives_text(x, y):
    return "much"


def gives_an_array(x, y):
    return x[0]


def writes(x, y):
    x -= 1
    return 1.0


def draws_anew(x, y):
    return np.random.default_rng().normal()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (gives_text, "gives 'much' .*return one number"),
        (gives_an_array, r"shape \(8,\).*return one number"),
        (writes, r"line \d+: ValueError: .*read-only"),
        (draws_anew, "seed what is random"),
    ],
)
def test_what_it_gives_is_tried_before_anything_is_captured(function, said):
    with pytest.raises(InputError, match=said):
        own_measure(function).check_reach(100, 8, 6)


def test_a_run_refuses_it_before_capturing(one_cell, tmp_path):
    with pytest.raises(ConfigError, match=r"measure 'gives_text'.*return one number"):
        compare({**one_cell, "measures": [gives_text]}, out=tmp_path / "out", progress=False)
    assert not list((tmp_path / "out").rglob("*.npy"))


def test_the_key_follows_what_the_function_does():
    def make(scale, body=spread_agreement):
        def mine(x, y):
            return scale * body(x, y)

        return own_measure(mine).key

    assert make(1.0) == make(1.0)
    assert len({make(1.0), make(2.0), make(1.0, gives_text), make(np.array([1.0, 2.0]))}) == 4


def test_a_function_of_the_table_is_that_measure(sides):
    from congruence.metrics import rsa

    config = parse_config({**sides, "measures": [rsa]})
    assert measures_of(config.measures)[0].label == "rsa"
    with pytest.raises(ConfigError, match="has no name"):
        check_names(parse_config({**sides, "measures": [lambda x, y: 1.0]}))
