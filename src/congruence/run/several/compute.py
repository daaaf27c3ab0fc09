"""Compare more than two models: each pair as a run of two, captures shared, then tables over all of them."""

import datetime
import importlib.metadata
import logging
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from congruence import __version__
from congruence.config.models import Models, Names, pair_name
from congruence.config.run import RunConfig
from congruence.progress import Progress, working
from congruence.run.models_schema import KIND
from congruence.run.publish import publish_once
from congruence.run.results import FORMAT_VERSION, Run, load_run
from congruence.run.several.tables import write_tables
from congruence.sides.corpus import settled_for_all
from congruence.sides.side import open_side
from congruence.storage import Memo, content_key
from congruence.storage.run_folder import PAIRS, VERSIONS_OF, RunFolder

logger = logging.getLogger(__name__)

Draw = Callable[[Path], object]
Two = Callable[[RunConfig, RunFolder, Progress, Draw | None], str]


def compare_models(
    config: Models, folder: RunFolder, progress: Progress, draw: Draw | None, *, two: Two
) -> str:
    """Compute what isn't finished of every pair, put the pairs together, and give the key of the result.

    Args:
        config: the models.
        folder: of the run, held.
        progress: shows how far it is.
        draw: draws pictures of a finished run into its folder.
        two: computes and publishes the run of two models, and gives its key.
    """
    started = time.perf_counter()
    memo = Memo(folder.known)
    pairs = settled(config, memo)
    runs: dict[Names, Run] = {}
    for number, (names, one) in enumerate(pairs.items()):
        progress.advance("compare models", number, len(pairs), "pairs of models")
        inner = folder.pair(pair_name(names))
        logger.info("pair %d of %d: %s and %s, in %s", number + 1, len(pairs), *names, inner.path)
        key = two(one, inner, progress, draw)
        runs[names] = load_run(inner.path, configuration=key)
    progress.advance("compare models", len(pairs), len(pairs), "pairs of models")
    record = {**_record(config, runs), "uses": {"known": sorted(memo.used)}}
    key = _publish(folder.path, config, runs, record, draw=draw, started=started)
    logger.info("run of %d models finished: configuration %s", len(config.models), key)
    return key


def settled(config: Models, memo: Memo) -> dict[Names, RunConfig]:
    """The configuration of every pair, with the same text for a model in all of its pairs."""
    with working("open models and SAEs"):
        sides = {name: open_side(name, side, memo=memo) for name, side in config.models.items()}
    with working("read the text"):
        sections = settled_for_all(config.shared.corpus, sides, memo=memo)
    return {names: one.model_copy(update={"corpus": sections[names]}) for names, one in config.pairs.items()}


def _record(config: Models, runs: Mapping[Names, Run]) -> dict[str, Any]:
    """run.json, but for what the tables add."""
    sides = {
        name: run.info["sides"][side]
        for names, run in runs.items()
        for name, side in zip(names, "ab", strict=True)
    }
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "config": config.written("json"),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS_OF}
        | {"python": platform.python_version()},
        "models": {name: sides[name] for name in config.models},
        "pairs": [
            {
                "models": list(names),
                "folder": f"{PAIRS}/{pair_name(names)}",
                "configuration": run.configuration,
            }
            for names, run in runs.items()
        ],
        "text": next(iter(runs.values())).corpus.get("name"),
    }


def _publish(
    path: Path,
    config: Models,
    runs: Mapping[Names, Run],
    record: Mapping[str, Any],
    *,
    draw: Draw | None,
    started: float,
) -> str:
    """Write the tables over all pairs, and make them what the run's folder shows; once for the same pairs."""
    named = {name: value for name, value in record["config"].items() if name not in ("runner", "cache")}
    key = content_key([KIND, FORMAT_VERSION, __version__, named, record["pairs"]])

    def make(folder: Path) -> Mapping[str, Any]:
        with working("put the pairs of models together"):
            found = write_tables(list(config.models), runs, folder)
        return {**record, **found, "seconds": {"all": time.perf_counter() - started}}

    publish_once(path, key, make, kind=KIND, format_version=FORMAT_VERSION, draw=draw)
    return key
