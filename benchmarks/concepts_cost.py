"""What eight concepts add to a layer grid: seconds of the grid, seconds of its concepts, and their ratio.

    python benchmarks/concepts_cost.py                                       # 6 x 6 layers, 16,384 features
    python benchmarks/concepts_cost.py --layers 2 --features 2048 --tokens 5000 --draws 100   # in a minute

Activations are made up: 22,500 tokens of a power-law vocabulary, L0 70, half of it features of the token
(the same on both sides), half at random with power-law rates; decoder rows are random. The grid is
correlation, pairing, filters and measures with 1,000 re-pairings of the 3,500 best pairs (`--kept`), once
with the two published measures alone and once with a run's default ones; measures are timed in the first
`--timed` layer pairs (svcca by 20 draws) and reckoned for the others, pairing in all. The concepts are
eight lists with their default measures and all four nulls at as many draws, all of it timed. Finding
words and members counts as the concepts' time.
"""

import argparse
import time

import numpy as np
from congruence.run.concepts.cell import ConceptCell
from congruence.run.concepts.layer import LayerConcepts
from congruence.run.concepts.rows import Place
from congruence.run.concepts.semantic import concept_rows
from congruence.run.concepts.text import ConceptText
from scipy import sparse

from congruence.concepts import word_index
from congruence.config.concepts import ConceptsConfig
from congruence.matching import match
from congruence.metrics import METRICS
from congruence.significance import permutation_test
from congruence.stats import prepare

VOCABULARY, L0, CONCEPTS = 5000, 70, 8


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


def score(
    a: LayerConcepts, b: LayerConcepts, pairs: tuple[np.ndarray, np.ndarray], draws: int
) -> dict[str, float]:
    """Seconds of each measure of one layer pair with its null, reckoned from a few draws where it is slow."""
    x, y = a.rows.W_dec[pairs[0]], b.rows.W_dec[pairs[1]]
    seconds = {}
    for name in ("pc1_correlation", "rsa", "translation_accuracy", "svcca"):
        few = 20 if name == "svcca" else draws
        times = [time.perf_counter()]
        for made in (2, 2 + few):
            permutation_test(name, x, y, draws=made, rng=0)
            times.append(time.perf_counter())
        first, second = np.diff(times)
        seconds[name] = first + (draws - 2) * max(second - first, 0.0) / few
    return seconds


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
        ("timed", 3),
        ("keywords", 12),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()

    ids, offsets = corpus(options.tokens)
    config = concepts(options.keywords)
    started = time.perf_counter()
    pieces = [f" w{i}".encode() for i in range(VOCABULARY)]
    text = ConceptText.of(config, word_index(ids, offsets, pieces), seed=0)
    words = time.perf_counter() - started

    layers: dict[str, list[LayerConcepts]] = {"a": [], "b": []}
    preparing = 0.0
    for number, side in enumerate(layers):
        for layer in range(options.layers):
            seed = number * 100 + layer
            acts = prepare(activations(ids, options.features, seed))
            rows = decoder(options.features, options.width, seed)
            started = time.perf_counter()
            layers[side].append(LayerConcepts.of(f"{side}/{layer}", text, acts, rows, ids))
            preparing += time.perf_counter() - started

    measures = [(str(name), {}) for name in config.measures]
    assert all(name in METRICS for name, _ in measures)
    seconds = {"pairing": 0.0, "measures": 0.0, "concepts": words + preparing}
    measured: dict[str, float] = {}
    cells = [(i, j) for i in range(options.layers) for j in range(options.layers)]
    sizes, rows = [], 0
    for number, (i, j) in enumerate(cells):
        a, b = layers["a"][i], layers["b"][j]
        times = [time.perf_counter()]
        pairs = paired(a, b, options.kept)
        times.append(time.perf_counter())
        if number < options.timed:
            for name, spent in score(a, b, pairs, options.draws).items():
                measured[name] = measured.get(name, 0.0) + spent * len(cells) / min(options.timed, len(cells))
        times.append(time.perf_counter())
        found, outcomes = concept_rows(ConceptCell(Place(i, j), a, b, *pairs, measures, options.draws))
        times.append(time.perf_counter())
        for name, spent in zip(seconds, np.diff(times), strict=True):
            seconds[name] += spent
        sizes += [len(outcome.pairs) for outcome in outcomes.values()]
        rows += len(found.rows)
        spent = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
        print(
            f"L{i}-L{j}: {len(pairs[0])} pairs, concepts of {np.mean(sizes[-CONCEPTS:]):.0f}; {spent}",
            flush=True,
        )
    grids = {
        "published measures": seconds["pairing"] + measured["pc1_correlation"] + measured["rsa"],
        "default measures": seconds["pairing"] + sum(measured.values()),
    }
    print(
        f"{options.layers} x {options.layers} layers, {options.features} features, {options.tokens} tokens, "
        f"{options.draws} draws, {options.kept} pairs: "
        f"eight concepts {seconds['concepts']:.1f} s ({rows} rows)"
    )
    for name, spent in [("pairing", seconds["pairing"]), *measured.items()]:
        print(f"  {name} {spent:.1f} s")
    for name, spent in grids.items():
        print(f"  grid with {name} {spent:.1f} s, ratio {seconds['concepts'] / spent:.2f}")


if __name__ == "__main__":
    main()
