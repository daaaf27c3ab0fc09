"""Cases of one test of which the first run by default and the others in the slow set."""

from collections.abc import Iterable
from typing import Any

import pytest


def quick_first(cases: Iterable[Any], quick: int = 1) -> list[Any]:
    """`cases` as parameters: all but the first `quick` are slow. A case of several values is a tuple."""
    return [
        case
        if at < quick
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for at, case in enumerate(cases)
    ]
