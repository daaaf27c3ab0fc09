"""What eight concepts add to a layer grid: seconds of the grid, seconds of its concepts, and their ratio.

    python benchmarks/concepts_cost.py                                       # 6 x 6 layers, 16,384 features
    python benchmarks/concepts_cost.py --layers 2 --features 2048 --tokens 5000 --draws 100   # in a minute

Activations are made up: 22,500 tokens of a power-law vocabulary, L0 70, half of it features of the token
(the same on both sides), half at random with power-law rates; decoder rows are random. The grid is
correlation, pairing, filters and the run's default measures with 1,000 re-pairings; the concepts are eight
lists with their default measures and all four nulls at as many draws. Finding words and members counts as
the concepts' time.
"""

import argparse
import time

import numpy as np
from scipy import sparse

from congruence.concepts import word_index
from congruence.experiments.concepts.cell import ConceptCell
from congruence.experiments.concepts.config import ConceptsConfig
from congruence.experiments.concepts.layer import LayerConcepts
from congruence.experiments.concepts.rows import Place
from congruence.experiments.concepts.semantic import concept_rows
from congruence.experiments.concepts.text import ConceptText
from congruence.experiments.config import RunConfig
from congruence.matching import match
from congruence.metrics import METRICS
from congruence.significance import permutation_test
from congruence.stats import prepare

VOCABULARY, L0, CONCEPTS, KEYWORDS = 5000, 70, 8, 40


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


def concepts() -> ConceptsConfig:
    """Eight lists of forty words from all frequencies."""
    words = np.random.default_rng(3).permutation(VOCABULARY)[: CONCEPTS * KEYWORDS].reshape(CONCEPTS, -1)
    return ConceptsConfig(lists={f"concept {i}": [f"w{word}" for word in own] for i, own in enumerate(words)})


def grid_cell(a: LayerConcepts, b: LayerConcepts, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """What a run does for a layer pair without concepts; the pairs it keeps."""
    found = match(a.acts, b.acts, method="many_to_one", from_="b")
    found = found.select((found.r > 0.1) & (found.cofirings >= 5))
    x, y = a.rows.W_dec[found.feature_a], b.rows.W_dec[found.feature_b]
    for name in RunConfig.model_fields["measures"].default:
        permutation_test(str(name), x, y, draws=draws, rng=0)
    return found.feature_a, found.feature_b


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
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()

    ids, offsets = corpus(options.tokens)
    config = concepts()
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
    seconds = {"grid": 0.0, "concepts": words + preparing}
    pairs, sizes, rows = [], [], 0
    for i, a in enumerate(layers["a"]):
        for j, b in enumerate(layers["b"]):
            started = time.perf_counter()
            whole = grid_cell(a, b, options.draws)
            middle = time.perf_counter()
            cell = ConceptCell(Place(i, j), a, b, *whole, measures, options.draws)
            found, outcomes = concept_rows(cell)
            seconds["grid"] += middle - started
            seconds["concepts"] += time.perf_counter() - middle
            pairs.append(len(whole[0]))
            sizes += [len(outcome.pairs) for outcome in outcomes.values()]
            rows += len(found.rows)
            print(
                f"L{i}-L{j}: {pairs[-1]} pairs, concepts of {np.mean(sizes[-CONCEPTS:]):.0f} pairs; so far "
                f"grid {seconds['grid']:.1f} s, concepts {seconds['concepts']:.1f} s",
                flush=True,
            )
    print(
        f"{options.layers} x {options.layers} layers, {options.features} features, {options.tokens} tokens, "
        f"{options.draws} draws: grid {seconds['grid']:.1f} s, eight concepts {seconds['concepts']:.1f} s "
        f"({rows} rows), ratio {seconds['concepts'] / seconds['grid']:.2f}"
    )


if __name__ == "__main__":
    main()
