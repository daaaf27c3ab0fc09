"""Every public function met with what it can't take: one line of ours, never a foreign error, never a crash."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from every_public_call import SHORT, attempts, fault

import congruence
from congruence.annotations import misfit, words
from congruence.errors import ConfigError, InputError
from congruence.matching import relative_norms
from congruence.significance import bootstrap_interval

SWEEP = Path(__file__).with_name("every_public_call.py")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_public_function_answers_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = [(name, fault(function, value)) for name, function, value in attempts(SHORT)]
    assert not "\n".join(f"{name}: {why}" for name, why in found if why)
    assert len(found) > 900


@pytest.mark.slow
def test_every_public_function_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SWEEP], cwd=tmp_path, env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"died ({done.returncode}) {done.stderr[-600:]}"
    *faults, last = done.stdout.splitlines()
    assert not faults, "\n".join(faults)
    assert int(last.split()[0]) > 3000


def test_the_first_argument_that_doesn_t_fit_is_named() -> None:
    rows, unlike, called = np.eye(3), cast(Any, [1]), cast(Any, relative_norms)
    assert relative_norms(rows, rows).tolist() == [0.5, 0.5, 0.5]
    with pytest.raises(InputError, match=r"^relative_norms: rows_b=\[1\]: use an array") as caught:
        relative_norms(rows, unlike)
    assert caught.value.__cause__ is not None
    with pytest.raises(InputError, match=r"^relative_norms.*an array \(3,\) of float64"):
        relative_norms(np.ones(3), np.ones(3))
    with pytest.raises(TypeError, match="missing"):
        called(rows)


def test_what_a_caller_s_own_code_raises_is_left_alone() -> None:
    def own(_: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        bootstrap_interval(own, documents=9, rng=0)


def test_a_fault_of_ours_isn_t_blamed_on_the_user() -> None:
    """A call from inside of the package passes as it is, to end in run.log with its traceback."""
    inside = {"__name__": "congruence.somewhere", "function": relative_norms}
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, ours it isn't
        eval("function('rows', 2.0)", inside)
    assert not isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (3, str, "text"), (True, int, "a whole number"), ("x", float | None, "a number or none"),
        ([1, "x"], list[int], "list of a whole number"), ("ab", tuple[str, ...], "tuple of text"),
        ((1,), tuple[int, int], "tuple of a whole number, a whole number"), ({"a": "b"}, dict[str, int], "dict of text, a whole number"),
    ],
)  # fmt: skip
def test_annotations_in_words(value: Any, kind: Any, said: str) -> None:
    assert misfit(value, kind)
    assert words(kind) == said


@pytest.mark.parametrize("value", [3, [], "", b"x", {"a": 1}, {"a": {"model": 3}}, np.ones(3)])
def test_compare_of_what_is_no_configuration(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        congruence.compare(value, out=tmp_path / "out")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["a", "b", "corpus", "measures", "null", "filters", "quirks", "controls", "interval"]
)
@pytest.mark.parametrize("value", [3, "x", [[]], {"x": {}}, np.ones(3), object])
def test_compare_of_sections_of_other_types(key: str, value: Any, tmp_path: Path) -> None:
    good = {
        "a": {"model": "m", "saes": "s"},
        "b": {"model": "m", "saes": "s"},
        "corpus": {"path": str(SWEEP)},
    }
    with pytest.raises((ConfigError, InputError)) as caught:
        congruence.compare(**{**good, key: value}, out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert key in str(caught.value) or "null" in str(caught.value)


def test_public_functions_can_be_pickled_and_keep_their_names() -> None:
    import pickle

    from congruence.significance import adjust

    assert pickle.loads(pickle.dumps(adjust)) is adjust
    assert (adjust.__name__, adjust.__module__) == ("adjust", "congruence.significance")
