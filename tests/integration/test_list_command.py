"""`congruence list` shows every name that a configuration can use, with its options."""

import json

import pytest
from command_line import in_process

from congruence.cli.list import KINDS
from congruence.config import QUIRKS
from congruence.filters import FILTERS
from congruence.matching import MATCHERS
from congruence.metrics import METRICS
from congruence.nulls import NULLS
from congruence.saes.formats import FORMATS
from congruence.sides.variants import VARIANTS

TABLES = {
    "measures": METRICS, "matchers": MATCHERS, "filters": FILTERS, "nulls": NULLS, "controls": VARIANTS,
    "quirks": QUIRKS, "formats": FORMATS,
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_every_name_is_listed_with_a_line(capsys, kind):
    done = in_process(capsys, "list", kind, "--json")
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [entry["name"] for entry in listed] == [name for name in TABLES[kind] if name != "real"]
    assert all(len(entry["line"]) > 15 for entry in listed)


def test_recipes_are_listed(capsys):
    done = in_process(capsys, "list", "recipes", "--json")
    listed = {entry["name"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    assert "heat maps of SVCCA" in listed["lan2024-pythia"]["line"]
    assert set(KINDS) == {*TABLES, "recipes"}
    done = in_process(capsys, "list", "nulls", "--json")
    nulls = {entry["name"]: entry["options"] for entry in map(json.loads, done.stdout.splitlines())}
    assert (nulls["firing_rate"], nulls["pairing"]) == ({"strata": "None"}, {})


def test_options_are_shown_with_their_defaults(capsys):
    done = in_process(capsys, "list", "filters")
    assert "min_r" in done.stdout
    assert "keep='best'" in done.stdout
    done = in_process(capsys, "list", "measures", "--json")
    rsa = next(line for line in map(json.loads, done.stdout.splitlines()) if line["name"] == "rsa")
    assert rsa["options"]["rdm"] == "'correlation'"


def test_a_kind_that_does_not_exist_is_refused(capsys):
    done = in_process(capsys, "list", "measure")
    assert done.returncode == 2
    assert "'measures'" in done.stderr
