"""What a run of several models found, in sentences: for the terminal and the page."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.run.several.matrix import BEST, where
from congruence.run.several.results import SHARED, ModelsRun
from congruence.run.several.tables import of_size
from congruence.view.numbers import format_p
from congruence.view.words import measure_words
from congruence.wording import format_score, percent


def title_of(measure: str) -> str:
    """A measure in words; what is none has words of its own."""
    own = {"mean_r": "mean r of kept pairs", SHARED: "share of features with a counterpart"}
    return own.get(measure) or measure_words(measure).title


def sentences(run: ModelsRun) -> list[str]:
    """The answer first: which models are alike, do features come home, what all have, how universal it is."""
    return [*_alike(run), *_cycles(run), *_consensus(run), *_universal(run)]


def _alike(run: ModelsRun) -> Iterator[str]:
    rows: Any = _rows(run, run.info["lead"], BEST)
    rows = rows[rows.value.notna()]
    if rows.empty:
        yield "No pair of models has a score: see the reports of the pairs."
        return
    away = str(run.info["lead"]).split("(", 1)[0].endswith("_distance")
    ends = [rows.iloc[int(at)] for at in (np.argmax(rows.value), np.argmin(rows.value))]
    best, last = ends[::-1] if away else ends
    yield f"Most alike by {title_of(run.info['lead'])}: {_pair_words(best)}."
    if len(rows) > 1:
        yield f"Least alike: {_pair_words(last)}."


def _pair_words(row: Any) -> str:
    """The two models with their best score, and what there is to hold it against."""
    allowing = np.isfinite(row.p_max_t)
    about = []
    if np.isfinite(row.null_mean):
        about.append(f"chance {format_score(row.null_mean)}")
    if np.isfinite(row.p):
        p = format_p(row.p_max_t if allowing else row.p)
        about.append(f"p = {p}{' allowing for the choice of layers' if allowing else ''}")
    if np.isfinite(row.ceiling):
        about.append(f"ceiling {format_score(row.ceiling)}")
    layers = f"layers {row.layer_x} and {row.layer_y}"
    told = f"{row.model_x} and {row.model_y}, {format_score(row.value)} at {layers}"
    return f"{told} ({', '.join(about)})" if about else told


def _cycles(run: ModelsRun) -> Iterator[str]:
    table: Any = run.cycles()
    whole = table[(table.layer_1 < 0) & (table.followed > 0)]
    if whole.empty:
        yield "No links lead around three models, so whether features come home can't be told."
        return
    low, high = whole.share.min(), whole.share.max()
    shares = percent(low) if percent(low) == percent(high) else f"{percent(low)} to {percent(high)}"
    followed = f"{whole.followed.min():,}" + (
        f" to {whole.followed.max():,}" if whole.followed.min() < whole.followed.max() else ""
    )
    chance = f"by chance at most {percent(whole.chance.max())}; p ≤ {format_p(whole.p.max())}"
    yield (
        f"Of the features that best links lead through two other models and back, {shares} come home to "
        f"themselves (of {followed}; {chance})."
    )


def _consensus(run: ModelsRun) -> Iterator[str]:
    count = len(run.models)
    counts = run.info["consensus"]
    whole = of_size(counts, count)
    parts = [
        f"{whole['features']:,} features are in all {count} models ({whole['complete']:,} with every link)"
    ]
    parts += [f"{of_size(counts, size)['features']:,} in {size}" for size in range(count - 1, 1, -1)]
    yield f"Consensus features: {', '.join(parts)}."


def _universal(run: ModelsRun) -> Iterator[str]:
    others = len(run.models) - 1
    told = []
    for name, shares in run.info["universality"].items():
        told.append(f"{name} {percent(shares[others])} and {percent(shares[0])}")
    basis = " or ".join(run.info["basis"])
    yield f"Features with a counterpart in all {others} others, and in none (by {basis}): {'; '.join(told)}."


def cycle_rows(run: ModelsRun) -> list[dict[str, Any]]:
    """For each three models and start: over all layers, and at the layers where most come home."""
    table = run.cycles()
    found = []
    for _, rows in table.groupby(["model_1", "model_2", "model_3"], sort=False):
        whole = where(rows, rows.layer_1 < 0).iloc[0].to_dict()
        layered: Any = where(rows, (rows.layer_1 >= 0) & (rows.followed > 0))
        best = None
        if len(layered):
            best = layered.iloc[int(np.lexsort([-layered.share, -layered.home])[0])].to_dict()
        found.append({"all": whole, "best": best, "tested": len(layered)})
    return found


def _rows(run: ModelsRun, measure: str, of: str) -> pd.DataFrame:
    table = run._table("matrix")
    return cast(pd.DataFrame, table[(table.measure == measure) & (table.of == of)])
