"""Compare two language models: the whole path from a configuration to a finished run's folder."""

import datetime
import importlib.metadata
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from congruence.config.models import Models
from congruence.config.parsing import resolve_any
from congruence.config.quirks import as_published_line
from congruence.config.run import RunConfig
from congruence.config.saes import Given
from congruence.config.steps import check_names, measures_of
from congruence.errors import ConfigError, StorageError, quoted
from congruence.progress import Progress, shown, working
from congruence.run.bench import Bench
from congruence.run.captures import Captures, sources_of
from congruence.run.concept_stage import check_concepts
from congruence.run.equal_index import equal_index_record
from congruence.run.evidence import keep_evidence
from congruence.run.features import FeatureStage
from congruence.run.function_stages import FunctionStages
from congruence.run.grid import Source
from congruence.run.opening import load_run
from congruence.run.possible import check_possible, null_record
from congruence.run.publish import publish_run
from congruence.run.remote import Place, place_of
from congruence.run.results import Run
from congruence.run.run_cells import concepts_finished, run_cells
from congruence.run.sae_records import fvus_of, sae_records
from congruence.run.several.compute import compare_models
from congruence.run.sharing import shared_out
from congruence.run.status import noted
from congruence.runners.choose import check_runner
from congruence.sides.corpus import SharedText
from congruence.sides.crosscoder import is_by_crosscoder
from congruence.sides.side import Side, known_saes
from congruence.sides.variants import check_controls
from congruence.storage import Memo
from congruence.storage.run_folder import VERSIONS_OF, RunFolder, held, open_folder, run_log

logger = logging.getLogger(__name__)


def compare(
    config: RunConfig | Models | Mapping[str, Any] | str | Path | None = None,
    /,
    *,
    out: str | Path,
    progress: bool = True,
    force: bool = False,
    draw: Callable[[Path], object] | None = None,
    **sections: Any,
) -> "Run | Any":
    """Compare the features of two language models, layer by layer; or of several, each with each.

    Finished captures and cells in `out` are used as they are; a run that was killed goes on from there.
    Everything that a configuration gives appears in `out` in one step when it is finished. Another
    configuration in the same folder stands beside it: `load_run(out, configuration=KEY)` reads either.

    Args:
        config: a configuration, a mapping, or the path of a YAML file; sections given by name replace its.
        out: the run's folder, or a URL of object storage (s3://bucket/run), where it is kept as well as in
            a folder of this machine.
        progress: show bars on standard error.
        force: go on where an SAE doesn't fit its model or hook; what is wrong is logged.
        draw: draws pictures into the folder of the finished tables before they appear, e.g.
            `congruence.report.draw`.
        **sections: a and b, or models (name -> section); corpus, pairing, filters, measures, null,
            controls, seed, … as in the file.

    Returns:
        The finished run: data frames of results, and the record of what made them; a `ModelsRun` where
        `models` names more than two.

    Raises:
        CongruenceError: one line that names what is wrong and the remedy.

    Source: Lan et al. 2024 and Son et al. 2025, with the corrections that docs/decisions states.
    """
    if not isinstance(out, str | Path) or not str(out).strip():
        raise StorageError(f"out={quoted(out)} isn't a folder's name: name one")
    resolved = resolve_any(config, {**sections, "force": True} if force else sections)
    shared = resolved.shared if isinstance(resolved, Models) else resolved
    check_names(shared)
    check_controls(shared)
    check_concepts(shared.concepts)
    check_runner(shared.runner)
    given = _in_memory(resolved)
    if shared.runner.kind != "serial" and given:
        raise ConfigError(
            f"{given[0]} is an object in memory, which only this process has: leave `runner` out, or give "
            "a path"
        )
    place = place_of(out, shared.cache)
    folder = open_folder(place.folder)

    def two(one: RunConfig, inner: RunFolder, bars: Progress, draw: Any) -> str:
        return _run(one, inner, bars, draw, place.of_pair(inner.path))

    with (
        run_log(folder),
        held(folder),
        noted(folder.path, place.note) as notes,
        place.at_work(),
        shown(progress, notes) as bars,
    ):
        logger.info("run starts in %s%s", folder.path, f", kept in {place.url}" if place.url else "")
        if given:
            logger.warning(
                "%s: objects in memory, known by their content: no command can repeat this run from run.json",
                ", ".join(given),
            )
        if isinstance(resolved, Models):
            key = compare_models(resolved, folder, bars, draw, two=two)
            place.finish(key, {})
        else:
            key = _run(resolved, folder, bars, draw, place)
    return load_run(folder.path, configuration=key)


def _run(
    config: RunConfig,
    folder: RunFolder,
    progress: Progress,
    draw: Callable[[Path], object] | None,
    place: Place | None = None,
) -> str:
    """Compute what isn't finished, publish it, and give the key under which it stands."""
    place = place or Place(folder.path)
    started = time.perf_counter()
    bench = Bench.open(config, folder)
    config, memo, sides, text, cells, captures, plan = (
        bench.config,
        bench.memo,
        bench.sides,
        bench.text,
        bench.cells,
        bench.captures,
        bench.plan,
    )
    sources = sources_of(cells)
    check_possible(config, plan, sides, text, cells)
    function = FunctionStages.of(captures, folder.cells)
    fvus = _examine(config, captures, sources, memo)
    concepts = bench.concepts
    if concepts and not captures.finished(sources):
        concepts.choose_phrases()  # what can't be chosen is said before hours of capture
    with shared_out(bench, progress, place.url) as others:
        others.capture()
        captures.capture(sources, progress)
        if concepts and not concepts_finished(cells, captures, plan, folder.cells, concepts):
            others.capture_phrases()
            concepts.capture(sources, progress)
        captured = time.perf_counter()
        function.before_the_grid(progress)
        captures.let_go()
        mapped = time.perf_counter()
        others.compare()
    results = run_cells(cells, captures, plan, folder.cells, concepts=concepts, progress=progress)
    gridded = time.perf_counter()
    features = FeatureStage.of(captures, concepts)
    features.compute(progress)
    seconds = {"capture": captured - started, "grid": gridded - mapped}
    seconds |= features.seconds
    results = function.of_pairs(results, progress)
    seconds |= function.seconds
    record = _record(config, sides, text, captures, seconds, fvus=fvus)
    with working("keep what shows the features"):
        record["evidence"] = keep_evidence(captures, sources)
    if not is_by_crosscoder(config):  # whose features are the same ones by what they are
        with working("compare features of equal index"):
            record["equal_index"] = equal_index_record(cells, captures)
    record["uses"] = {
        "activations": [
            *captures.places(),
            *(concepts.places() if concepts else []),
            *function.state_places(),
        ],
        "cells": [
            *(place for result in results for place in result.places),
            *function.places(),
        ],
        "known": sorted(memo.used),
    }

    def more(place: Path) -> dict[str, Any]:
        return {**captures.finish(place), **features.finish(place), **function.finish(place)}

    key = publish_run(folder.path, results, record, draw, more=more)
    place.finish(key, record["uses"])
    logger.info("run finished: %d cells in %s, configuration %s", len(cells), folder.path, key)
    return key


def _examine(config: RunConfig, captures: Captures, sources: Sequence[Source], memo: Memo) -> list[list[Any]]:
    """The preflight, unless it was passed before everything here was captured; the FVU of every SAE."""
    verdict = [captures.keys_of(sources), config.force]
    passed = memo.look_up("preflight-fvu", verdict)
    if passed is not None and captures.finished(sources):
        logger.info("preflight: passed when the activations were captured, which are all there; not repeated")
        return passed
    from congruence.doctor import preflight

    with working("preflight"):
        found = fvus_of(preflight(config, captures.sides, captures.text, captures.reading))
    memo.keep("preflight-fvu", verdict, found)
    return found


def _record(
    config: RunConfig,
    sides: Mapping[str, Side],
    text: SharedText,
    captures: Captures,
    seconds: Mapping[str, float],
    *,
    fvus: list[list[Any]],
) -> dict[str, Any]:
    """run.json: everything that made the results."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "finished": now,
        "config": config.model_dump(by_alias=True, mode="json"),
        "as_published": as_published_line(config.quirks),
        "seed": config.seed,
        "null": null_record(config),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS_OF}
        | {"python": platform.python_version()},
        "keys": {"corpus": text.corpus.key, "activations": captures.keys()},
        "sides": {name: _side_record(side, captures, fvus) for name, side in sides.items()},
        "in_memory": _in_memory(config),
        "own_measures": _own_measures(config),
        "corpus": _corpus_record(text),
        "seconds": dict(seconds),
    }


def _own_measures(config: RunConfig) -> dict[str, str]:
    """Measures of the user's own, with the keys of the code that gave their scores."""
    of_concepts = measures_of(config.concepts.measures) if config.concepts else []
    return {m.label: m.key for m in [*measures_of(config.measures), *of_concepts] if m.key != m.label}


def _in_memory(config: RunConfig | Models) -> list[str]:
    """The keys whose values were objects of a Python call: no command can repeat such a run."""
    found = []
    if isinstance(config, Models):
        sides = {f"models.{name}": side for name, side in config.models.items()}
        config = config.shared
    else:
        sides = {"a": config.a, "b": config.b}
    for name, side in sides.items():
        for key in ("model", "saes", "other_seed", "frozen_decoder"):
            value = getattr(side, key)
            entries = value.items() if isinstance(value, dict) else [("", value)]
            found += [f"{name}.{key}.{layer}".rstrip(".") for layer, one in entries if isinstance(one, Given)]
    measures = [*config.measures, *(config.concepts.measures if config.concepts else [])]
    return found + [f"measures.{one.value.__name__}" for one in measures if isinstance(one, Given)]


def _side_record(side: Side, captures: Captures, fvus: list[list[Any]]) -> dict[str, Any]:
    saes = sae_records(side, captures, fvus)
    d_sae = {str(layer): sae.d_sae for layer, sae in known_saes(side.saes).items()}
    return {
        "name": side.config.label,
        "model": str(side.config.model),
        "key": side.model.key,
        "trust_remote_code": side.config.trust_remote_code,
        "layers": list(side.layers),
        "hooks": {str(layer): side.hook_name(layer) for layer in side.layers},
        "d_model": side.model.d_model,
        "d_sae": d_sae,
        "other_seed_layers": list(side.other_seed),
        "saes": saes["saes"],
        "other_seed_saes": saes["other_seed"],
        "notes": list(side.notes),
    }


def _corpus_record(text: SharedText) -> dict[str, Any]:
    tokens, alignment = text.tokens["a"], text.alignment
    record = {
        "name": text.corpus.name,
        "documents": len(text.corpus),
        "tokens": int(tokens.attention_mask.sum()),
        "kept_tokens": tokens.n if alignment is None else len(alignment),
        "equal_tokenizers": alignment is None,
        "positions": dict(text.positions),
    }
    if alignment is not None:
        record |= {"coverage_a": alignment.coverage_a, "coverage_b": alignment.coverage_b}
    return record
