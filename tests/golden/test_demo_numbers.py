"""The demo's numbers are those that are stored: on any processor, with any BLAS and any number of threads.

Counts and p-values are the same to the last bit. Scores of the whole space are float64 throughout and hold to
1e-9, those of concepts rest on float32 products of decoder rows (1e-6); mean r rests on float32 activations of the
language models, whose last digits are the machine's own (1e-5).
"""

import json

import pytest
from demo_numbers import COUNTS, TABLE, VALUES, numbers


def tolerance_of(row: str) -> float:
    """How far a value may be from the stored one, by what its row is about."""
    if "measure=" not in row:
        return 1e-5
    return 1e-9 if "concept=all" in row else 1e-6


@pytest.fixture(scope="module")
def found():
    return numbers()


@pytest.fixture(scope="module")
def stored():
    return json.loads(TABLE.read_text())


def differences(found, stored, columns, tolerance=lambda row: 0.0):
    """Every number that isn't the stored one, with both."""
    return [
        f"{row} {column}: {numbers[column]}, stored {stored[row][column]}"
        for row, numbers in found.items()
        for column in columns
        if numbers[column] != pytest.approx(stored[row][column], rel=tolerance(row), abs=tolerance(row))
    ]


@pytest.mark.bits
@pytest.mark.slow
@pytest.mark.parametrize("table", COUNTS)
def test_numbers_are_the_stored_ones(found, stored, table):
    assert found[table].keys() == stored[table].keys()
    wrong = differences(found[table], stored[table], COUNTS[table])
    wrong += differences(found[table], stored[table], VALUES[table], tolerance_of)
    assert wrong == []


def test_a_changed_number_is_told(stored):
    changed = {row: {**numbers, "p": numbers["p"] + 1e-12} for row, numbers in stored["results"].items()}
    assert len(differences(changed, stored["results"], COUNTS["results"])) == len(changed)
    scores = {
        row: {**numbers, "value": numbers["value"] + 1e-5} for row, numbers in stored["results"].items()
    }
    assert len(differences(scores, stored["results"], ["value"], tolerance_of)) == len(scores)
