"""Reading a finished run, of two models or of several."""

from pathlib import Path
from typing import Any

from congruence.run import results
from congruence.run.remote import fetch_run
from congruence.run.results import Run
from congruence.run.several.results import ModelsRun, load_models_run
from congruence.storage import OtherKind
from congruence.storage.objects import is_url


def load_run(path: "str | Path | Run | ModelsRun", *, configuration: str | None = None) -> "Run | Any":
    """Read a finished run's folder, or once more that of a run.

    Args:
        path: the folder that `congruence run --out` wrote, a copy of it, or its URL (s3://bucket/run); of
            more than two models also that of one of its pairs (…/pairs/NAME~NAME).
        configuration: key of one of several configurations that were run in this folder (`congruence prune`
            lists them); default: the one that was finished last.

    Returns:
        A `Run`; a `ModelsRun` where more than two models were compared.

    Raises:
        StorageError: it isn't one, a file is missing, broken or was changed, or another version wrote it.
    """
    if isinstance(path, Run):
        return results.load_run(path, configuration=configuration)
    if is_url(path):
        path = fetch_run(path, configuration=configuration)
    try:
        return load_models_run(path, configuration=configuration)
    except OtherKind:
        if isinstance(path, ModelsRun):
            raise
        return results.load_run(path, configuration=configuration)
