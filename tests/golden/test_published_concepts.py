"""With the quirks, every step of a concept's cell is the published one; without those of concepts, something else."""

from dataclasses import dataclass

import numpy as np
import pytest
from published_concept_steps import published_concept, whole_word
from test_published_steps import CELL, DRAWS, plan_of

from congruence.concepts import word_index
from congruence.config import as_published
from congruence.config.quirks import STORED_DRAWS
from congruence.nulls.permutations import permutations_for
from congruence.rng import derive_seed
from congruence.run.cell import compute_cell
from congruence.run.concept_stage import fires_on_non_concepts
from congruence.run.layer import Layer, shared_vocabulary
from congruence.run.selections.concepts import ConceptCell, concept_selections
from congruence.run.selections.layer import LayerConcepts
from congruence.run.selections.text import ConceptText
from congruence.stats import prepare, top_tokens

KEYWORDS = ["joy", "fear", "anger", "hope", "grief", "pride", "shame", "King"]
OTHERS = ["dog", "sun", "run", "tree", "river", "stone", "cloud", "ship"]
STRINGS = [*(f" {word.lower()}" for word in KEYWORDS), *(f" {word}" for word in OTHERS),
           " Joy", "king", " see", " fe", "ar", "dom", ".", "<bos>", " ho", "pe"]  # fmt: skip
"""Whole words, a capital, `see` + `king` and `king` + `dom`, and `fear` and `hope` in two pieces."""
NUMBER = {string: number for number, string in enumerate(STRINGS)}
CONCEPTS = {"lists": [{"Emotions": KEYWORDS}], "nulls": ["pairing"], "measures": ["svcca", "rsa"]}


@dataclass
class Text:
    """Tokens, features of two models over them, and what these write."""

    token_ids: np.ndarray
    acts: tuple
    rows: tuple


def text_of(seed, n=900):
    """Sentences of whole words and of words in pieces, with a point now and then, and BOS at the start."""
    rng = np.random.default_rng(seed)
    units = [*([[number]] * 2 for number in range(17)), [[NUMBER[" see"], NUMBER["king"]]] * 2]
    units = [unit for group in units for unit in group]
    units += [
        [NUMBER[" king"], NUMBER["dom"]],
        [NUMBER[" fe"], NUMBER["ar"]],
        [NUMBER[" ho"], NUMBER["pe"]],
        [NUMBER["."]],
    ]
    ids = [NUMBER["<bos>"]]
    while len(ids) < n:
        ids += units[rng.integers(len(units))]
    ids = np.array(ids[:n])
    own = rng.permutation(len(STRINGS) - 4)

    def side(features):
        acts = np.zeros((n, features), np.float32)
        for feature in range(features):
            fires = (ids == own[feature % len(own)]) & (rng.random(n) < rng.choice([0.5, 0.9]))
            fires |= rng.random(n) < rng.choice([0.0, 0.003])
            fires[rng.integers(n)] = True
            acts[fires, feature] = rng.gamma(2.0, 1.0, fires.sum()).astype(np.float32)
            if feature % 11 == 5:  # a list that is filled with silent tokens
                acts[:, feature] *= np.arange(n) == np.flatnonzero(ids == NUMBER[" joy"])[feature % 5]
                acts[np.flatnonzero(ids == NUMBER[" joy"])[feature % 5], feature] = 1
        return acts

    acts = side(120), side(140)
    latent = rng.normal(size=(len(own), 6))
    rows = []
    for (_, features), width in zip((a.shape for a in acts), (12, 16), strict=True):
        W = latent[np.arange(features) % len(own)] @ rng.normal(size=(6, width)) + 0.7 * rng.normal(
            size=(features, width)
        )
        rows.append((W / np.linalg.norm(W, axis=1, keepdims=True)).astype(np.float32))
    return Text(ids, acts, tuple(rows))


def ours(text, quirks):
    """The concept's selection and rows in one cell."""
    plan = plan_of(quirks, concepts=CONCEPTS)
    config = plan.config
    offsets = np.array([0, len(text.token_ids)])
    decoded = (np.arange(len(STRINGS)), STRINGS)
    words = shared_vocabulary({"a": decoded, "b": decoded}, frozenset({"<bos>"}))
    pieces = [b"" if string == "<bos>" else string.encode() for string in STRINGS]
    index = word_index(text.token_ids, offsets, pieces)
    concepts = ConceptText.of(config.concepts, index, seed=config.seed)
    layers = []
    for name, acts, W in zip(("a/real/0", "b/real/0"), text.acts, text.rows, strict=True):
        prepared = prepare(acts, document_offsets=offsets)
        top = top_tokens(prepared, text.token_ids, k=config.top_tokens, fill=config.fill_top_tokens)
        codes = np.where(top.token_ids >= 0, words.codes["a"][np.maximum(top.token_ids, 0)], -1)
        layer = Layer(name, name, prepared, top, codes, offsets, words, lambda W=W: W)
        excluded = fires_on_non_concepts(layer)
        layers.append(
            LayerConcepts.of(name, concepts, prepared, W, text.token_ids, top=top, exclude=excluded)
        )
    nobody = np.empty(0, np.int64)
    draws = config.concepts.draws or config.null.draws
    cell = ConceptCell(
        *layers, (nobody, nobody), plan.concept_measures, plan.concept_nulls, draws=draws, seed=config.seed
    )
    (selection,) = concept_selections(cell)
    (outcome,) = compute_cell(CELL, iter([selection]), plan.null_settings)
    members = tuple(layer.members("Emotions").features.tolist() for layer in layers)
    return plan, members, selection, {row["measure"]: row for row, _ in outcome.rows}


ALL = as_published("lan2024")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_step_of_a_concept_is_the_published_one(seed):
    text = text_of(seed)
    plan, members, selection, rows = ours(text, ALL)
    draws = plan.config.concepts.draws or plan.config.null.draws
    keywords = {word.lower() for word in KEYWORDS}
    seed_of_draws = derive_seed(plan.config.seed, "null", "pairing")
    assert draws == 60
    expected = published_concept(*text.acts, *text.rows, text.token_ids, STRINGS, keywords,
                                 lambda n: permutations_for(seed_of_draws, range(draws), n))  # fmt: skip
    assert members == expected.members
    assert min(map(len, members)) > 20
    assert len(expected.many_to_one) > len(expected.pairs) > 10
    found = selection.matching
    assert list(zip(found.feature_a, found.feature_b, strict=True)) == expected.pairs
    for label, score, p, null in (
        ("pc1_correlation", expected.svcca, expected.p_svcca, expected.null_svcca),
        ("rsa", expected.rsa, expected.p_rsa, expected.null_rsa),
    ):
        assert rows[label]["n"] == len(expected.pairs)
        assert rows[label]["value"] == pytest.approx(score, abs=1e-6)
        assert rows[label]["null_mean"] == pytest.approx(null, abs=1e-6)
        assert rows[label]["p"] == pytest.approx(p, abs=1e-12)


@pytest.mark.parametrize("quirk", ["keep_first", "filled_top_tokens", "whole_token_keywords", "one_component_svcca",
                                   "p_without_plus_one"])  # fmt: skip
def test_without_any_one_of_them_a_concept_is_not(quirk):
    text = text_of(1)

    def told(quirks):
        _, members, selection, rows = ours(text, quirks)
        pairs = list(zip(selection.matching.feature_a, selection.matching.feature_b, strict=True))
        return members, pairs, [(label, row["value"], row["p"]) for label, row in rows.items()]

    assert told([name for name in ALL if name != quirk]) != told(ALL)
    assert told([quirk]) != told([])


def test_pieces_of_keywords_count_but_for_the_quirk():
    text = text_of(2)
    fires_on_pieces = [
        feature for feature in range(text.acts[0].shape[1])
        if STRINGS[text.token_ids[text.acts[0][:, feature].argmax()]] in (" fe", "ar", " ho", "pe")
    ]  # fmt: skip
    assert fires_on_pieces
    _, (with_pieces, _), _, _ = ours(text, [])
    _, (whole, _), _, _ = ours(text, ["whole_token_keywords"])
    assert set(whole) < set(with_pieces)
    assert set(fires_on_pieces) & (set(with_pieces) - set(whole))


def test_concepts_have_as_many_draws_as_were_stored():
    plan = plan_of(["draws_as_stored"], concepts=CONCEPTS, null={"draws": 5000})
    assert (plan.config.null.draws, plan.config.concepts.draws) == (DRAWS, STORED_DRAWS["concepts"])
    for method, keep in (("many_to_one", None), ("many_to_one", "best")):
        pairing = {"method": method, "from": "b", "keep": keep}
        gemma = plan_of(as_published(gemma=True), concepts=CONCEPTS, pairing=pairing, null={"draws": 5000})
        assert (gemma.config.null.draws, gemma.config.concepts.draws) == (10, 1000)


def test_a_word_in_the_running_text():
    ids = [NUMBER[s] for s in (" see", "king", " king", "dom", " fe", "ar", " joy")]
    assert [whole_word(STRINGS, ids, at) for at in range(7)] == [
        "seeking", "seeking", "kingdom", "kingdom", "fear", "fear", "joy",
    ]  # fmt: skip
