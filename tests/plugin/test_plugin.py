"""What another package adds is found, and used as what stands in congruence itself."""

import json

import pandas as pd
import pytest
import yaml
from installing import install, python_with

from quick_first import quick_first

ADDED = {
    "congruence.metrics:METRICS": "sign_agreement",
    "congruence.matching:MATCHERS": "by_index",
    "congruence.filters:FILTERS": "max_r",
    "congruence.nulls:NULLS": "rotation",
    "congruence.sides.variants:VARIANTS": "shuffled_decoder",
    "congruence.saes.formats:FORMATS": "npz",
}

USED_IN_PYTHON = """
import json
import numpy as np
from congruence.filters import FILTERS, FilterStep
from congruence.matching import match
from congruence.metrics import METRICS
from congruence.significance import permutation_test

rng = np.random.default_rng(0)
acts = np.maximum(rng.normal(size=(200, 12)), 0)
matching = match(acts, acts + 0.01 * rng.random((200, 12)), method="by_index")
x = rng.normal(size=(20, 6))
test = permutation_test("sign_agreement", x, x, null="rotation", draws=9, rng=0, threshold=0.5)
print(json.dumps({
    "matcher": matching.method, "pairs": matching.feature_a.tolist(), "same": float(METRICS.get("sign_agreement")(x, x)),
    "observed": test.observed, "p": test.p, "filter": FILTERS.get("max_r").__name__,
}))
"""


def run(plugin, tmp_path, config: dict):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return plugin(
        "-m", "congruence", "run", tmp_path / "config.yaml", "--out", tmp_path / "out", "--no-progress"
    )


@pytest.mark.parametrize(
    "question", quick_first(["{name!r} in {table}", "{table}.get({name!r})", "{name!r} in {table}.names()"])
)
def test_each_table_knows_the_name_whatever_is_asked_first(plugin, question):
    lines = []
    for place, name in ADDED.items():
        module, table = place.split(":")
        lines += [f"from {module} import {table}", f"assert {question.format(name=name, table=table)}"]
    done = plugin("-c", "\n".join(lines))
    assert done.returncode == 0, done.stderr


def test_used_in_python(plugin):
    done = plugin("-c", USED_IN_PYTHON)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "matcher": "by_index", "pairs": list(range(12)), "same": 1.0, "observed": 1.0, "p": 0.1, "filter": "max_r",
    }  # fmt: skip


@pytest.fixture(scope="module")
def results(plugin, tiny_run, tmp_path_factory):
    """Of one run that uses all that the package adds."""
    folder = tmp_path_factory.mktemp("used")
    config = {**tiny_run, "null": {"kind": "rotation", "draws": 19}, "controls": ["shuffled_decoder"]}
    done = run(plugin, folder, config)
    assert done.returncode == 0, done.stderr
    return pd.read_parquet(folder / "out" / "results.parquet")


def test_used_in_a_run(results):
    row = results[results.control == "none"].iloc[0]
    assert row.measure == "sign_agreement(threshold=0.1)"
    assert 0 < row.p <= 1
    assert 3 <= row.n <= 48


def test_a_null_is_used_in_a_run(results):
    assert set(results.null) == {"rotation"}


def test_a_control_is_used_in_a_run(results):
    assert "shuffled_decoder" in set(results.control)


def broken_package(folder, group: str, module: str, source: str):
    """A package whose only module is wrong, installed."""
    package = folder / "broken"
    package.mkdir()
    (package / f"{module}.py").write_text(source)
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "wrong-plugin"\nversion = "1"\n'
        f'[project.entry-points."{group}"]\nmine = "{module}"\n'
        f'[tool.setuptools]\npy-modules = ["{module}"]\n'
    )
    return python_with(install(package, folder / "installed"))


@pytest.mark.parametrize(
    ("source", "told"),
    quick_first(
        [
            ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("1 / 0", "ZeroDivisionError: division by zero"),
            (
                "from congruence.metrics import METRICS\nMETRICS.add('svcca', None)",
                "measure 'svcca' is already registered: choose another name",
            ),
        ]
    ),
)
def test_a_broken_package_is_named_in_one_line(tmp_path, source, told):
    python = broken_package(tmp_path, "congruence.metrics", "wrong_plugin", source)
    asked = "from congruence.metrics import METRICS\nfor _ in 'ab':\n try: 'mine' in METRICS\n except Exception as e: print(e)"
    done = python("-c", f"{asked}\nprint(METRICS.get('svcca').name)")
    line = f"package 'wrong-plugin' can't add its measure 'mine' (wrong_plugin): {told}: update or uninstall the package"
    assert done.stdout.splitlines() == [line, line, "svcca"], done.stderr
    (tmp_path / "z.txt").touch()
    (tmp_path / "config.yaml").write_text(
        "{a: {model: x, saes: y}, b: {model: x, saes: y}, corpus: {path: z.txt}, measures: [svca]}"
    )
    stopped = python("-m", "congruence", "run", tmp_path / "config.yaml", "--out", tmp_path / "out")
    assert (stopped.returncode, stopped.stderr.strip()) == (2, f"error: {line}")
