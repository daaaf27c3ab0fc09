"""A made-up pair of models whose concepts are known: some rotated copies of each other, some unrelated.

Words are tokens; a feature fires on a word, or on a word that follows another. Features of the concepts
named in `rotated` have decoder rows on side B that are a rotation of side A's (plus noise); all others are
independent, the background's included.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from congruence.concepts import word_index
from congruence.config.concepts import ConceptsConfig
from congruence.config.steps import measures_of
from congruence.nulls import make_null
from congruence.run.grid import Cell, Source
from congruence.run.selections.concepts import ConceptCell
from congruence.run.selections.layer import LayerConcepts
from congruence.run.selections.phrases import PhraseLayer, ShownPhrases, TokenizedPhrases
from congruence.run.selections.text import ConceptText
from congruence.stats import prepare

CONCEPTS = ("alike", "alike2", "apart", "apart2")
KEYWORDS, BACKGROUND, TOKENS = 24, 250, 8000
WIDTHS = (24, 32)
HUM = 0.02  # share of tokens on which a feature fires weakly, whatever stands there
FRAMES = ("{}", "say {} now")


@dataclass
class World:
    """Two models' features on a corpus, and on any other text."""

    vocabulary: list[str]
    ids: np.ndarray
    offsets: np.ndarray
    triggers: list[
        tuple[int, int]
    ]  # (word before or -1, word): what a feature fires on; the same on both sides
    owner: list[str]
    W_dec: tuple[np.ndarray, np.ndarray]
    seed: int

    @property
    def pieces(self):
        return [f" {word}".encode() for word in self.vocabulary]

    def acts(self, ids, offsets, side):
        """What the features of a side do on a text: 1 plus noise on their words, a weak hum elsewhere."""
        rng = np.random.default_rng([self.seed, side, len(ids)])
        before = np.concatenate([[-1], ids[:-1]])
        before[offsets[:-1]] = -1
        rows, columns = [], []
        for feature, (first, word) in enumerate(self.triggers):
            fires = np.flatnonzero((ids == word) & ((first < 0) | (before == first)))
            rows.append(fires)
            columns.append(np.full(len(fires), feature))
        rows, columns = np.concatenate(rows), np.concatenate(columns)
        shape = (len(ids), len(self.triggers))
        answers = sparse.csr_array((1 + 0.2 * rng.random(len(rows)), (rows, columns)), shape=shape)
        hum = sparse.random_array(shape, density=HUM, rng=rng, format="csr") * 0.3
        return sparse.csr_array(answers.maximum(hum)).astype(np.float32)


def falling(width):
    """Standard deviation of decoder directions: some carry more than others, as in trained SAEs."""
    return 1 / np.sqrt(1 + np.arange(width))


def make_world(seed):
    rng = np.random.default_rng(seed)
    concept_words = {name: [f"{name}w{i}" for i in range(KEYWORDS)] for name in CONCEPTS}
    vocabulary = [f"bg{i}" for i in range(BACKGROUND)] + ["say", "now"]
    vocabulary += [word for words in concept_words.values() for word in words]
    number = {word: i for i, word in enumerate(vocabulary)}
    weights = 1 / (5 + np.arange(len(vocabulary))[rng.permutation(len(vocabulary))])
    ids = rng.choice(len(vocabulary), TOKENS, p=weights / weights.sum())
    triggers = [(-1, i) for i in range(BACKGROUND)]
    owner = ["background"] * len(triggers)
    for name in CONCEPTS:
        for word in concept_words[name]:
            triggers.append((-1, number[word]))
            owner.append(name)
    for first, second in (("alike", "alike2"), ("apart", "apart2")):
        for i in range(KEYWORDS):
            triggers.append((number[f"{first}w{i}"], number[f"{second}w{i}"]))
            owner.append(f"{first} phrase")
    W_a, W_b = (rng.normal(size=(len(triggers), width)) * falling(width) for width in WIDTHS)
    rotation = np.linalg.qr(rng.normal(size=(WIDTHS[1], WIDTHS[0])))[0].T
    for feature, name in enumerate(owner):
        if name.startswith("alike"):
            W_b[feature] = W_a[feature] @ rotation + 0.03 * rng.normal(size=WIDTHS[1])
    order = rng.permutation(len(triggers))  # the same order on both sides; pairing doesn't know
    W_dec = tuple(
        (W / np.linalg.norm(W, axis=1, keepdims=True))[order].astype(np.float32) for W in (W_a, W_b)
    )
    offsets = np.arange(0, TOKENS + 1, 100)
    return World(
        vocabulary, ids, offsets, [triggers[i] for i in order], [owner[i] for i in order], W_dec, seed
    )


def config_of(**options):
    keywords = {name: [f"{name}w{i}" for i in range(KEYWORDS)] for name in CONCEPTS}
    phrases = {
        (a, b): [f"{a}w{i} {b}w{i}" for i in range(KEYWORDS)]
        for a, b in (("alike", "alike2"), ("apart", "apart2"))
    }
    multi_token = [
        {"first": a, "second": b, "phrases": texts, "frames": FRAMES, "members": members}
        for (a, b), texts in phrases.items()
        for members in ("phrase", "needs_phrase")
    ]
    overlaps = [["alike", "alike2"], ["apart", "apart2"]]
    return ConceptsConfig(
        lists=[keywords], overlaps=overlaps, multi_token=multi_token, **{"non_concept": False, **options}
    )


def make_cell(world, config, draws=199):
    """The one cell of a world, and the layers that saw the phrases."""
    index = word_index(world.ids, world.offsets, world.pieces)
    text = ConceptText.of(config, index, seed=world.seed)
    layers = []
    for side in (0, 1):
        acts = prepare(world.acts(world.ids, world.offsets, side))
        layers.append(LayerConcepts.of(f"{'ab'[side]}/real/0", text, acts, world.W_dec[side], world.ids))
    everything = np.arange(len(world.triggers))
    cell = ConceptCell(
        *layers,
        (everything, everything),
        measures_of(["pc1_correlation", "rsa", "linear_cka"]),
        [make_null(name) for name in config.nulls],
        draws,
        world.seed,
        threads=1,
    )
    return cell, [phrase_layers(world, multi_token, text, layers) for multi_token in config.multi_token]


PLACE = Cell("none", "", Source("a", "real", 0), Source("b", "real", 0))


def phrase_layers(world, multi_token, text, layers):
    shown = ShownPhrases.of(multi_token, text)
    number = {word: i for i, word in enumerate(world.vocabulary)}
    tokens = [[number[word] for word in document.split()] for document in shown.texts.texts]
    offsets = np.cumsum([0, *map(len, tokens)])
    ids = np.concatenate(tokens)
    phrases = TokenizedPhrases.of(shown, word_index(ids, offsets, world.pieces), offsets, ids)
    return [PhraseLayer(layer, phrases, world.acts(ids, offsets, side)) for side, layer in enumerate(layers)]
