"""Unrelated keywords, phrases, activation mass, keyword use, contexts, configuration."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse
from scipy.stats import binomtest

from congruence.concepts import (
    FRAMES,
    Rule,
    concept_mass,
    context,
    get_concept,
    given_phrases,
    keyword_counts,
    keyword_positions,
    keyword_use,
    make_concept,
    make_phrases,
    members_of_groups,
    phrase_need,
    phrase_texts,
    random_keywords,
    top_word_table,
    unit_positions,
    unit_responses,
    word_index,
)
from congruence.concepts.phrase_response import active_features, join_top_tokens
from congruence.config.concepts import ConceptsConfig
from congruence.errors import ConfigError, InputError
from congruence.records import TopTokens
from congruence.run.contrasts import interaction
from congruence.run.selections.text import subspaces_of


def index_of(*texts):
    """A corpus whose tokens are its words."""
    documents = [text.split(" ") for text in texts]
    vocabulary = sorted({word for document in documents for word in document})
    number = {word: i for i, word in enumerate(vocabulary)}
    ids = np.array([number[word] for document in documents for word in document])
    offsets = np.cumsum([0, *map(len, documents)])
    return word_index(ids, offsets, [f" {word}".encode() for word in vocabulary]), ids, offsets


@pytest.fixture(scope="module")
def zipf():
    rng = np.random.default_rng(0)
    words = [f"w{int(i)}" for i in np.minimum(rng.zipf(1.3, 6000), 400)]
    return index_of(" ".join(words))[0]


def test_unrelated_groups_match_number_and_frequency(zipf):
    concept = make_concept("c", ["w2", "w9", "w30", "w31", "w100", "absent"])
    counts = keyword_counts(concept, zipf)
    assert counts[-1] == 0
    groups = random_keywords(concept, zipf, draws=300, rng=np.random.default_rng(1))
    assert groups.words.shape == (300, 5)
    assert groups.keyword.tolist() == [0, 1, 2, 3, 4]
    own = {zipf.words.index(word) for word in concept.keywords[:-1]}
    for group in groups.words:
        assert len(set(group)) == 5
        assert not own & set(group)
    ratio = np.log(zipf.counts[groups.words]).mean(axis=0) - np.log(counts[:-1])
    assert np.abs(ratio[1:]).max() < 0.5  # the most frequent words have no equals
    again = random_keywords(concept, zipf, draws=300, rng=np.random.default_rng(1))
    assert (groups.words == again.words).all()


def test_unrelated_groups_need_a_corpus(zipf):
    small = index_of("a b c")[0]
    with pytest.raises(InputError, match="longer corpus"):
        random_keywords(make_concept("c", ["a"]), small, draws=2, rng=np.random.default_rng(0))
    nothing = random_keywords(make_concept("c", ["zzz"]), zipf, draws=4, rng=np.random.default_rng(0))
    assert nothing.words.shape == (4, 0)


def test_groups_have_members_by_the_same_rule(zipf):
    rng = np.random.default_rng(2)
    positions = rng.integers(0, len(zipf.occurrence), (50, 5))
    positions[7, 2:] = -1
    top = TopTokens(np.ones((50, 5), np.float32), positions, positions)
    words = top_word_table(top, zipf)
    for hits in (1, 2):
        rule = Rule(5, hits)
        groups = rng.integers(0, len(zipf.words), (20, 40))
        found = members_of_groups(words, groups, len(zipf.words), rule=rule)
        for group, members in zip(groups, found, strict=True):
            inside = [sum(w in set(group.tolist()) for w in row if w < len(zipf.words)) for row in words]
            assert members.tolist() == [f for f, n in enumerate(inside) if n >= hits]


def test_mass_is_the_share_of_activation():
    acts = sparse.csr_array(np.array([[1.0, 0, 0, -1], [3.0, 2, 0, 0], [0, 2, 0, 4]], np.float32))
    positions = np.array([[0, -1, -1], [-1, 3, 3]])
    mass = concept_mass(acts, positions)
    np.testing.assert_allclose(mass, [[0.25, 0, np.nan, 0], [0.75, 1, np.nan, 1]])
    np.testing.assert_allclose(concept_mass([acts[:1], acts[1:]], positions), mass)
    for wrong in (positions[:, :2], np.zeros((2, 4), int)):
        with pytest.raises(InputError, match="rows"):
            concept_mass(acts, wrong)


@pytest.mark.bits
def test_mass_has_the_bits_of_products_of_matrices():
    rng = np.random.default_rng(4)
    dense = rng.normal(size=(500, 30)) * (rng.random((500, 30)) < 0.3)
    dense[:, 5] = 0
    acts = sparse.csr_array(dense.astype(np.float32))
    positions = np.where(rng.random((4, 500)) < 0.1, 1, -1)
    positions[3] = -1
    positive = acts.maximum(0)
    falls = (positive.T @ (positions >= 0).astype(np.float64).T).T
    with np.errstate(invalid="ignore"):
        expected = falls / positive.sum(axis=0, dtype=np.float64)
    np.testing.assert_array_equal(concept_mass(acts, positions), expected)


def test_phrases_are_sampled_half_likely():
    index = index_of("the happy day and the sad night and the happy day", "glad day")[0]
    first, second = (
        make_concept("E", ["happy", "sad", "glad", "day"]),
        make_concept("T", ["day", "night", "week"]),
    )
    every = make_phrases(first, second, index, rng=np.random.default_rng(0), limit=None)
    assert len(every) == 4 * 3 - 1  # no "day day"
    assert dict(zip(every.texts, every.corpus_count.tolist(), strict=True))["happy day"] == 2
    some = make_phrases(first, second, index, rng=np.random.default_rng(0), limit=4)
    assert len(some) == 4
    assert (some.corpus_count > 0).sum() == 2
    assert some.texts == make_phrases(first, second, index, rng=np.random.default_rng(0), limit=4).texts
    likely = make_phrases(first, second, index, rng=np.random.default_rng(0), likelihood="likely")
    assert set(likely.texts) == {"happy day", "sad night", "glad day"}
    unlikely = make_phrases(
        first, second, index, rng=np.random.default_rng(0), likelihood="unlikely", limit=3
    )
    assert (unlikely.corpus_count == 0).all()
    with pytest.raises(InputError, match="no likely phrase"):
        make_phrases(second, second, index, rng=np.random.default_rng(0), likelihood="likely")
    with pytest.raises(InputError, match="two different words"):
        make_phrases(
            make_concept("A", ["day"]), make_concept("B", ["Day"]), index, rng=np.random.default_rng(0)
        )
    with pytest.raises(InputError, match="3 words"):
        given_phrases("x", ["a b c"], index)


def test_frames_are_checked():
    phrases = given_phrases("x", ["happy day"], index_of("happy day")[0])
    assert len(phrase_texts(phrases).texts) == 3 * len(FRAMES)
    for frames, message in (
        (["no slot"], "once"),
        (["{} {}"], "once"),
        (["day {}"], "reword"),
        ([], "at least one"),
    ):
        with pytest.raises(InputError, match=message):
            phrase_texts(phrases, frames)


def test_who_needs_the_phrase():
    phrases = given_phrases("x", ["happy day", "sad day"], index_of("happy day")[0])
    texts = phrase_texts(phrases, ["{}", "so {} it"])
    assert texts.units == ("happy day", "sad day", "happy", "sad", "day")
    index, ids, offsets = index_of(*texts.texts)
    unit = unit_positions(texts, index, offsets)
    assert unit[:6].tolist() == [0, 0, -1, 0, 0, -1]
    # feature 0 fires on "day" after "happy"; 1 on "day"; 2 on "it"; 3 on "happy", twice as much before "day"
    acts = np.zeros((len(ids), 5), np.float32)
    words = [index.words[w] for w in index.word]
    for row, word in enumerate(words):
        after = words[row - 1] if row and row not in offsets else ""
        acts[row] = [
            2.0 * (word == "day" and after == "happy"),
            1.0 * (word == "day"),
            9.0 * (word == "it"),
            (word == "happy") * (2.0 if unit[row] == 0 else 1.0),
            0,
        ]
    responses = unit_responses(sparse.csr_array(acts), unit, offsets, texts)
    np.testing.assert_allclose(
        responses.toarray(),
        [[2, 1, 0, 2, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]],
    )
    need = phrase_need(responses, texts)
    assert need.fires.tolist() == [1, 2, 0, 1, 0]
    assert need.needs.tolist() == [1, 0, 0, 1, 0]
    assert need.features().tolist() == [0, 3]
    assert phrase_need(responses, texts, ratio=2.5).features().tolist() == [0]
    assert phrase_need(responses, texts, floor=np.full(5, 2.5)).features().tolist() == []
    assert np.isnan(need.share[2])
    assert active_features(responses, texts).tolist() == [0, 1, 3]
    with pytest.raises(InputError, match="rows of activations"):
        unit_responses(sparse.csr_array(acts[:-1]), unit, offsets, texts)
    with pytest.raises(InputError, match="phrase texts"):
        unit_positions(texts, index, offsets[:-1])


def test_a_cut_phrase_is_an_error():
    texts = phrase_texts(given_phrases("x", ["happy day"], index_of("happy day")[0]), ["{}"])
    index, _, offsets = index_of("happy", "happy", "day")
    with pytest.raises(InputError, match="isn't among the tokens"):
        unit_positions(texts, index, offsets)


def test_top_tokens_of_corpus_and_texts_are_joined():
    corpus = TopTokens(np.array([[3.0, 1]], np.float32), np.array([[5, 2]]), np.array([[50, 20]]))
    shown = TopTokens(np.array([[2.0, 0]], np.float32), np.array([[4, -1]]), np.array([[40, -1]]))
    joined = join_top_tokens(corpus, shown, 100)
    assert joined.positions.tolist() == [[5, 104]]
    assert joined.token_ids.tolist() == [[50, 40]]


def test_keyword_use_counts_features_once_a_keyword():
    concept = make_concept("c", ["joy", "fear", "hope"])
    use = keyword_use(
        concept,
        np.array([[0, 0, 1], [0, -1, -1], [-1, -1, -1]]),
        np.array([[0, -1, -1], [1, 1, 1], [0, -1, -1]]),
        np.array([10, 90, 0]),
    )
    assert use.features_a.tolist() == [2, 1, 0]
    assert use.features_b.tolist() == [2, 1, 0]
    assert use.pairs.tolist() == [1, 0, 0]
    np.testing.assert_allclose(use.ratio, [(4 / 6) / 0.1, (2 / 6) / 0.9, np.nan])
    assert use.p[0] < 0.01
    np.testing.assert_allclose(use.p[:2], [binomtest(4, 6, 0.1).pvalue, binomtest(2, 6, 0.9).pvalue])
    assert np.isnan(use.p[2])
    assert use.ranked().tolist() == [0, 1]


def test_contexts_stay_inside_the_document():
    pieces = [b" a", b" b", b"\x00", " é".encode()[:2], " é".encode()[2:]]
    ids, offsets = np.array([0, 1, 0, 3, 4, 1]), np.array([0, 2, 6])
    assert str(context(2, ids, offsets, pieces, width=1)) == "« a» \ufffd"
    assert str(context(1, ids, offsets, pieces)) == " a« b»"


def test_positions_of_several_concepts():
    index = index_of("New York is new", "joy in York")[0]
    both = make_concept("c", ["New York", "York", "joy"])
    assert keyword_positions(both, index).tolist() == [0, 0, -1, -1, 2, -1, 1]
    assert keyword_counts(both, index).tolist() == [1, 2, 1]


def test_config_shorthands_and_errors():
    assert ConceptsConfig.model_validate("all").lists == ["all"]
    assert ConceptsConfig.model_validate(["Time", "Nature"]).lists == ["Time", "Nature"]
    config = ConceptsConfig(lists={"Zoo": ["lion", "bear"]}, overlaps=[])
    assert [s.concept.keywords for s in subspaces_of(config)] == [("lion", "bear")]
    both = ConceptsConfig(lists=["time", "Emotions"], overlaps=[["emotions", "Time"]])
    assert [(s.name, s.kind, s.parts) for s in subspaces_of(both)][-1] == (
        "Emotions+Time", "overlap", ("Emotions", "Time"))  # fmt: skip
    assert len(subspaces_of(ConceptsConfig())) == 8
    for wrong in (
        {"list": ["Time"]},
        {"lists": []},
        {"top_k": 2, "min_hits": 3},
        {"overlaps": [["Time", "Time"]]},
        {"nulls": ["chance"]},
        {"multi_token": [{"first": "Time"}]},
        {"min_features": 2},
    ):
        with pytest.raises(ValidationError):
            ConceptsConfig.model_validate(wrong)
    with pytest.raises(ConfigError, match=r"add it to concepts\.lists"):
        subspaces_of(ConceptsConfig(lists=["Time"], overlaps=[["Time", "Emotions"]]))
    with pytest.raises(ConfigError, match="two lists called 'Time'"):
        subspaces_of(ConceptsConfig(lists=["Time", {"Time": ["now"]}]))
    assert get_concept("Time") == subspaces_of(ConceptsConfig(lists=["Time", "time"]))[0].concept


def test_interaction_by_hand():
    assert interaction(0.6, np.array([0.2, 0.5]), np.array([1, 2])) == pytest.approx(0.2)
