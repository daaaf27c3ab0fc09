"""Which modules are checked at run time, types and array shapes, while tests run: all that can be.

numba compiles kernels from their own source, so a module that holds some can't be instrumented.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
from beartype import BeartypeConf, BeartypeHintOverrides, beartype
from beartype.roar import BeartypeDecorHintException
from numpy.typing import ArrayLike

SOURCES = Path(__file__).resolve().parents[1] / "src"

LEFT_OUT: dict[str, str] = {"congruence.careful": "its wrapper looks at who calls it"}
"""Module -> why it isn't checked although it holds no kernels."""

ANSWERS_ITSELF = {
    "congruence.activations.capture.capture_features",
    "congruence.activations.capture.Capture.__init__",
    "congruence.activations.capture.capture_together",
    "congruence.activations.pooling.pool_rows",
    "congruence.concepts.keywords.make_concept",
    "congruence.concepts.word_index.word_index_of_texts",
    "congruence.matching.best.many_to_one",
    "congruence.matching.best.one_to_one",
    "congruence.matching.registry.match_decoders",
    "congruence.models.load.ModelOptions.__init__",
    "congruence.models.load._auto_class",
    "congruence.models.load.find_model",
    "congruence.models.load.load_model",
    "congruence.models.tokenizer_equality.require_equal_tokenizers",
    "congruence.nulls.pairing.FiringRate.__init__",
    "congruence.report.drawn.draw",
    "congruence.report.figures.write_figures",
    "congruence.report.html.write_report",
    "congruence.report.terminal.summary",
    "congruence.config.parsing.resolve",
    "congruence.config.parsing.resolve_any",
    "congruence.run.compare.compare",
    "congruence.run.opening.load_run",
    "congruence.run.results.folder_of",
    "congruence.run.results.load_run",
    "congruence.run.several.results.load_models_run",
    "congruence.saes.find.Catalogue.__init__",
    "congruence.saes.find.load_sae",
    "congruence.saes.sae.Sae.encode",
    "congruence.saes.sae.Sae.encode_csr",
    "congruence.saes.sae.Sae.flat_heads",
    "congruence.saes.sae.Sae._prepared",
    "congruence.saes.sae.Sae._weighted",
    "congruence.saes.sae.Sae._products",
    "congruence.saes.sae.Sae.linear",
    "congruence.saes.sae.Sae.reconstruct",
    "congruence.saes.sae.Sae.decode",
    "congruence.stats.correlation.correlate",
    "congruence.stats.scaling.check_measure",
    "congruence.saes.sae.Sae.pre_activation",
    "congruence.significance.bootstrap.bootstrap_interval",
    "congruence.significance.permutation.measure_of",
    "congruence.significance.permutation.permutation_test",
    "congruence.synthetic.options.WorldOptions.__init__",
    "congruence.function.logit_weights.logit_agreement",
    "congruence.transfer.functions.LogitWeightsSettings.__init__",
    "congruence.transfer.functions.StitchingSettings.__init__",
    "congruence.transfer.functions.SubstitutionSettings.__init__",
    "congruence.transfer.functions.TransferSettings.__init__",
    "congruence.transfer.maps.fit_map",
    "congruence.transfer.rotations.rotation_agreement",
}
"""Functions that answer a wrong type with an error of their own, which tests ask for."""

UNCHECKABLE: dict[str, str] = {}
"""What was met whose annotations can't be checked, and why; a test keeps this empty."""

_checker = beartype(
    conf=BeartypeConf(
        hint_overrides=BeartypeHintOverrides(
            {
                float: float | int | np.floating | np.integer,
                int: int | np.integer,
                bool: bool | np.bool_,
                ArrayLike: object,
            }
        )
    )
)
"""An int stands for a float, as for the static checker, and numpy's scalars for Python's; what is array-like numpy decides."""


def typechecked(thing: Any) -> Any:
    """beartype, which lets be what it can't check and what checks itself."""
    name = f"{thing.__module__}.{thing.__qualname__}"
    if name in ANSWERS_ITSELF or (
        name.startswith("congruence.metrics.") and name.endswith((".repaired", ".__init__"))
    ):
        return thing
    try:
        return _checker(thing)
    except BeartypeDecorHintException as error:
        UNCHECKABLE[name] = str(error).splitlines()[0]
        return thing


def modules() -> dict[str, bool]:
    """Every module of the package that isn't an `__init__`, and whether it holds kernels."""
    files = [
        path for path in sorted((SOURCES / "congruence").rglob("*.py")) if not path.name.startswith("__")
    ]
    names = [".".join(path.relative_to(SOURCES).with_suffix("").parts) for path in files]
    return {name: "njit(" in path.read_text() for name, path in zip(names, files, strict=True)}


def checked() -> list[str]:
    """The modules to instrument."""
    return [name for name, kernels in modules().items() if not kernels and name not in LEFT_OUT]


@contextmanager
def unchecked() -> Iterator[None]:
    """No checks inside: for what is repeated thousands of times on one shape, and was checked the first time."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
