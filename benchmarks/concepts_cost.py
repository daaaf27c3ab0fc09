"""S's grid and its concepts: seconds of pairing, of each default measure with its draws, of eight concepts.

    python benchmarks/concepts_cost.py                                       # 6 x 6 layers, 16,384 features
    python benchmarks/concepts_cost.py --layers 2 --features 2048 --tokens 5000 --draws 100   # in a minute

Activations are made up: 22,500 tokens of a power-law vocabulary, L0 70, half of it features of the token
(the same on both sides), half at random with power-law rates; decoder rows are random. The grid is what a
run does with each layer pair: correlation, many-to-one pairing, filters by r and co-firings, the 3,500 best
pairs (`--kept`), and the four default measures, each against 1,000 re-pairings. The concepts are eight lists
with their default measures and all four nulls at as many draws. Nothing is reckoned: every layer pair is
timed, concepts in the first `--timed` rows of the grid alone where that is given.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from congruence.concepts import word_index
from congruence.config.concepts import ConceptsConfig
from congruence.config.run import RunConfig
from congruence.config.steps import measures_of
from congruence.matching import match
from congruence.metrics.blas import in_parallel
from congruence.metrics.inputs import shared
from congruence.metrics.lists import want_products
from congruence.nulls import Case, make_null
from congruence.run.cell import compute_cell
from congruence.run.grid import Cell, Source
from congruence.run.plan import NullSettings
from congruence.run.selections.concepts import ConceptCell, concept_selections
from congruence.run.selections.layer import LayerConcepts
from congruence.run.selections.text import ConceptText
from congruence.significance.scoring import Observed
from congruence.stats import prepare

VOCABULARY, L0, CONCEPTS = 5000, 70, 8


class Clock:
    """Seconds by name."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def __call__(self, name: str, run: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = run()
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - started
        return result


def corpus(tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids with power-law frequencies, and the first row of each document of 150 tokens."""
    rates = 1 / (10 + np.arange(VOCABULARY))
    ids = np.random.default_rng(0).choice(VOCABULARY, tokens, p=rates / rates.sum())
    return ids, np.append(np.arange(0, tokens, 150), tokens)


def activations(ids: np.ndarray, features: int, seed: int) -> sparse.csr_array:
    """(n, f) activations: features of the token, shared by all layers, and features at random."""
    rng = np.random.default_rng(seed)
    half = L0 // 2
    own = np.random.default_rng(1).integers(0, features, (VOCABULARY, half))[ids]
    weights = 1 / (50 + np.arange(features))
    other = rng.permutation(features)[rng.choice(features, own.shape, p=weights / weights.sum())]
    strength = np.hstack([2 + rng.random(own.shape), rng.exponential(size=other.shape)])
    keep = np.hstack([rng.random(own.shape) < 0.7, np.ones(other.shape, dtype=bool)])
    rows = np.repeat(np.arange(len(ids)), L0).reshape(len(ids), -1)
    columns = np.hstack([own, other])
    values = (strength[keep].astype(np.float32), (rows[keep], columns[keep]))
    return sparse.csr_array(sparse.coo_array(values, shape=(len(ids), features)))


def decoder(features: int, width: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng([2, seed]).normal(size=(features, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def concepts(keywords: int) -> ConceptsConfig:
    """Eight lists of words from all frequencies."""
    words = np.random.default_rng(3).permutation(VOCABULARY)[: CONCEPTS * keywords].reshape(CONCEPTS, -1)
    return ConceptsConfig(lists={f"concept {i}": [f"w{word}" for word in own] for i, own in enumerate(words)})


def paired(a: LayerConcepts, b: LayerConcepts, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlation, pairing and filters of one layer pair; the best pairs that are left."""
    found = match(a.acts, b.acts, method="many_to_one", from_="b")
    found = found.select((found.r > 0.1) & (found.cofirings >= 5))
    best = np.argsort(-found.r, kind="stable")[:kept]
    return found.feature_a[best], found.feature_b[best]


def score(clock: Clock, x: np.ndarray, y: np.ndarray, draws: int) -> None:
    """Each default measure of one layer pair with its draws, which are made once for all."""
    measures = measures_of(RunConfig.model_fields["measures"].default)
    case, null = Case(n=len(x), seed=0), make_null("pairing")
    numbers = [range(first, min(first + 100, draws)) for first in range(0, draws, 100)]
    drawn = [clock("draws", lambda part=part: null.draw(case, part)) for part in numbers]

    def prepare() -> list[Observed]:
        rows = shared(x, y)
        return in_parallel(lambda m: Observed.of(m, *(rows if m.shares_rows else (x, y))), measures)

    prepared = clock("preparing", prepare)
    for measure, observed in zip(measures, prepared, strict=True):
        for permutations in drawn:
            clock(measure.label, lambda one=observed, p=permutations: one.prepared.repaired(p))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("layers", 6),
        ("features", 16384),
        ("tokens", 22500),
        ("width", 2304),
        ("draws", 1000),
        ("kept", 3500),
        ("timed", 6),
        ("keywords", 12),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    clock = Clock()

    ids, offsets = corpus(options.tokens)
    config = concepts(options.keywords)
    pieces = [f" w{i}".encode() for i in range(VOCABULARY)]
    text = clock("concepts", lambda: ConceptText.of(config, word_index(ids, offsets, pieces), seed=0))
    layers: dict[str, list[LayerConcepts]] = {"a": [], "b": []}
    for number, side in enumerate(layers):
        for layer in range(options.layers):
            seed = number * 100 + layer
            acts = prepare(activations(ids, options.features, seed))
            rows = decoder(options.features, options.width, seed)
            made = clock(
                "concepts", lambda a=acts, r=rows, n=f"{side}/{layer}": LayerConcepts.of(n, text, a, r, ids)
            )
            layers[side].append(made)

    measures, nulls = measures_of(config.measures), [make_null(name) for name in config.nulls]
    sizes: list[int] = []
    for i, a in enumerate(layers["a"]):
        for j, b in enumerate(layers["b"]):
            pairs = clock("pairing", lambda a=a, b=b: paired(a, b, options.kept))
            score(clock, a.rows.W_dec[pairs[0]], b.rows.W_dec[pairs[1]], options.draws)
            if i < options.timed:
                place = Cell("none", "", Source("a", "real", i), Source("b", "real", j))
                cell = ConceptCell(a, b, pairs, measures, nulls, options.draws, 0)
                clock("concepts", lambda a=a, b=b, cell=cell: want_products(a.rows, b.rows, cell.entries))
                found = clock(
                    "concepts",
                    lambda place=place, cell=cell: list(
                        compute_cell(place, concept_selections(cell), NullSettings())
                    ),
                )
                sizes += [outcome.selection.case.n for outcome in found]
            spent = ", ".join(f"{name} {value:.1f} s" for name, value in clock.spent.items())
            print(
                f"L{i}-L{j}: {len(pairs[0])} pairs, concepts of {np.mean(sizes or [0]):.0f}; {spent}",
                flush=True,
            )
    grid = sum(value for name, value in clock.spent.items() if name != "concepts")
    print(
        f"{options.layers} x {options.layers} layers, {options.features} features, {options.tokens} tokens, "
        f"{options.draws} draws, {options.kept} pairs: grid {grid:.0f} s, "
        f"eight concepts in {min(options.timed, options.layers)} rows of it {clock.spent['concepts']:.0f} s"
    )


if __name__ == "__main__":
    main()
