"""YAML and JSON are read as they are meant, or refused in one line that says where."""

import pytest

from congruence.errors import ConfigError
from congruence.strict_files import parse_strict

MEANT = {
    "1e-3": 0.001, "-.5e-3": -0.0005, "5.": 5.0, "010": 10, "008": 8, "-0": 0, "0o17": 15, "0x10": 16, "1_000": 1000,
    "+3": 3, "1.5e3": 1500.0, ".inf": float("inf"), "1:30": "1:30", "2024-01-01": "2024-01-01", "1.2.3": "1.2.3",
    "'010'": "010", "no": False, "~": None, "": None, "layer_2": "layer_2",
}  # fmt: skip


@pytest.mark.parametrize("written", MEANT)
def test_values_are_what_people_mean(written):
    found = parse_strict(f"key: {written}", "config c", ConfigError)["key"]
    assert found == MEANT[written]
    assert type(found) is type(MEANT[written])


def test_keys_with_leading_zeros_are_their_numbers():
    assert parse_strict("{008: a, 009: b, 010: c}", "c", ConfigError) == {8: "a", 9: "b", 10: "c"}


REFUSED = {
    "a: 1\nb: 2\na: 3": "the key 'a' is written twice, on line 1 and again on line 3",
    "x:\n  01: a\n  1: b": "the key 1 is written twice, on line 2 and again on line 3",
    "{a: 1, a: 2}": "the key 'a' is written twice, on line 1",
    "null: 1\n~: 2": "the key null is written twice",
    "a: &a [*a]": "an alias holds itself",
    "a: " + "[" * 1500: "nested too deeply",
    "a: " + "9" * 6000: "thousands of digits",
    "a: {x_{layer}: 1}": "in quotes",
    "a: !!python/name:os.system": "line 1",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_what_cannot_be_meant_is_one_line(text):
    with pytest.raises(ConfigError) as caught:
        parse_strict(text, "config c.yaml", ConfigError)
    assert REFUSED[text] in str(caught.value)
    assert "config c.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_merged_keys_may_be_replaced():
    text = "x: &x {p: 1, q: 2}\ny: {<<: *x, p: 3}"
    assert parse_strict(text, "c", ConfigError)["y"] == {"p": 3, "q": 2}


def test_json_has_each_key_once_and_finite_numbers():
    for text, says in (('{"a": 1, "a": 2}', "twice"), ('{"a": NaN}', "NaN"), ("[" * 100_000, "deeply")):
        with pytest.raises(ConfigError, match=says):
            parse_strict(text, "c.json", ConfigError, is_json=True)
