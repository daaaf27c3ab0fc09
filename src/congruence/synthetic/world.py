"""`make_world`: models whose features, and which of them are the same, are known."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy import sparse

from congruence.errors import ConfigError, InputError, unknown_name
from congruence.rng import derive
from congruence.storage import content_key
from congruence.synthetic.effects import Effects
from congruence.synthetic.firing import Block, Firing
from congruence.synthetic.options import WorldOptions
from congruence.synthetic.truth import Truth

SPLIT_COSINE = 0.9
"""Between the direction of a part and that of the whole."""


def make_world(**options: Any) -> "World":
    """Models that read one text, with features of which it is known who shares them.

    Features fire sparsely, at rates that fall as a power of their rank, together within topics, and some only
    where their parent does. The shared ones are the same concepts: they fire on the same tokens, up to what a
    model misses and makes of the strength, and their directions are one set under a random rotation for each
    model. All others are each model's own. In every model but the first, some shared features can be split,
    and some children can have absorbed their parent. Nothing is drawn before it is asked for.

    Args:
        **options: fields of :class:`WorldOptions`.

    Raises:
        ConfigError: no such option.
        InputError: a value out of its range.

    >>> world = make_world(features=40, shared=0.5, tokens=2000, width=32)
    >>> a, b = world.models
    >>> a.acts().shape, a.W_dec.shape, len(world.truth.pairs())
    ((2000, 40), (40, 32), 20)

    Source: ours; sparse power-law firing with correlation and hierarchy as a ground truth for SAEs is that
    of SynthSAEBench (arXiv 2602.14687).
    """
    known = [*WorldOptions.__dataclass_fields__]
    for name in options:
        if name not in known:
            raise ConfigError(f"make_world: {unknown_name('option', name, known)}")
    return World(WorldOptions(**options))


@dataclass(frozen=True, eq=False)
class World:
    """A text, and the models that read it.

    Attributes:
        options: what was asked for.
    """

    options: WorldOptions

    @cached_property
    def truth(self) -> Truth:
        """Which feature is which."""
        return Truth.of(self.options)

    @cached_property
    def firing(self) -> Firing:
        """The text and the concepts that fire on it."""
        return Firing(self.options, self.truth)

    @cached_property
    def effects(self) -> Effects:
        """What features do: the tokens that each makes more likely."""
        return Effects.planted(self.options, self.truth)

    @cached_property
    def models(self) -> "tuple[SyntheticModel, ...]":
        """All models."""
        return tuple(SyntheticModel(self, number) for number in range(self.options.models))

    @cached_property
    def token_ids(self) -> Int[np.ndarray, " n"]:
        """(n,) the text."""
        return np.concatenate([block.token_ids for block in self.firing])

    @property
    def document_offsets(self) -> Int[np.ndarray, " documents_plus_1"]:
        """First token of each document, and n at the end."""
        return self.firing.document_offsets

    @property
    def strings(self) -> list[str]:
        """Token id -> string."""
        return self.firing.strings

    @property
    def key(self) -> str:
        """Content key of the options."""
        return content_key(["world", asdict(self.options)])

    def other_text(self, seed: int) -> "World":
        """The same models on another text: what fires is drawn anew, features and directions stay."""
        return _OtherText(replace(self.options, seed=seed), self)


class _OtherText(World):
    """A world whose truth, effects and directions are another's."""

    def __init__(self, options: WorldOptions, first: World) -> None:
        super().__init__(options)
        object.__setattr__(self, "first", first)
        self.__dict__.update(truth=first.truth, effects=first.effects)

    @cached_property
    def models(self) -> "tuple[SyntheticModel, ...]":
        """The models of the first world on this text."""
        found = tuple(SyntheticModel(self, number) for number in range(self.options.models))
        for model, known in zip(found, vars(self)["first"].models, strict=True):
            model.__dict__.update(W_dec=known.W_dec, mean=known.mean)
        return found


@dataclass(frozen=True, eq=False)
class SyntheticModel:
    """One model: hidden states on the text, and the true dictionary they are made of.

    It is a `FeatureActs`: iterating gives its feature activations in CSR blocks, made anew each time, so that
    `correlate` and `match` read it without holding it.

    Attributes:
        world: whose text it reads.
        number: which of its models it is.
        reading: 0, or another reading of the same features: what it misses and how strongly it fires are
            drawn anew, as if another SAE had been trained on the model.
    """

    world: World
    number: int
    reading: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """(n tokens, f features)."""
        return self.world.options.tokens, len(self.world.truth.concept[self.number])

    @property
    def width(self) -> int:
        """Width d of the hidden states."""
        return self.world.options.widths[self.number]

    @property
    def document_offsets(self) -> Int[np.ndarray, " documents_plus_1"]:
        """First token of each document, and n at the end."""
        return self.world.document_offsets

    @cached_property
    def W_dec(self) -> Float32[np.ndarray, "f d"]:
        """(f, d) directions, of unit norm."""
        return _directions(self.world, self.number)

    @cached_property
    def mean(self) -> Float32[np.ndarray, " d"]:
        """(d,) what a token on which nothing fires has: a random vector of norm 1."""
        drawn = derive(self.world.options.seed, "mean", self.number).standard_normal(self.width)
        return (drawn / np.linalg.norm(drawn)).astype(np.float32)

    def __iter__(self) -> Iterator[sparse.csr_array]:
        return (self._acts(block) for block in self.world.firing)

    def acts(self) -> sparse.csr_array:
        """(n, f) float32 planted activations, all at once."""
        return sparse.csr_array(sparse.vstack(list(self), format="csr"))

    def another_reading(self, reading: int = 1) -> "SyntheticModel":
        """The same features, seen by what stands for an SAE of another seed."""
        return replace(self, reading=reading)

    def state_blocks(self) -> Iterator[Float32[np.ndarray, "n d"]]:
        """Hidden states of the tokens, in blocks: acts @ W_dec + mean + noise."""
        for block in self.world.firing:
            states = self._acts(block) @ self.W_dec + self.mean
            if noise := self.world.options.noise:
                rng = derive(self.world.options.seed, "noise", self.number, block.number)
                states += noise / np.sqrt(self.width) * rng.standard_normal(states.shape, np.float32)
            yield states.astype(np.float32, copy=False)

    def states(self) -> Float32[np.ndarray, "n d"]:
        """(n, d) hidden states, all at once."""
        return np.concatenate(list(self.state_blocks()))

    def _acts(self, block: Block) -> sparse.csr_array:
        """(tokens of the block, f) what this model makes of what fires."""
        truth, options = self.world.truth, self.world.options
        again = (self.reading,) if self.reading else ()
        rng = derive(options.seed, "acts", self.number, block.number, *again)
        feature = self._feature_of(block.concept, rng)
        kept = (feature >= 0) & (rng.random(len(feature)) >= options.missed)
        value = block.intensity * np.exp(options.jitter * rng.standard_normal(len(feature)))
        row, feature, value = block.row[kept], feature[kept], value[kept]
        absorbing = truth.absorbs[self.number][feature]
        if absorbing.any():
            count = len(truth.rate)
            concept = truth.concept[self.number]
            swallowed = row[absorbing] * count + truth.parent[concept[feature[absorbing]]]
            stays = ~np.isin(row * count + concept[feature], swallowed)
            row, feature, value = row[stays], feature[stays], value[stays]
        shape = (block.tokens, self.shape[1])
        return sparse.csr_array((value.astype(np.float32), (row, feature)), shape=shape)

    def _feature_of(self, concept: Int[np.ndarray, " fires"], rng: np.random.Generator) -> np.ndarray:
        """The feature that fires for each concept, one of its parts where it is split; -1 if not here."""
        of_concept, parts = self._index
        part = (rng.random(len(concept)) * parts[concept]).astype(np.int64)
        return of_concept[concept, np.minimum(part, of_concept.shape[1] - 1)]

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray]:
        """(c, parts) feature of each part of a concept, and (c,) number of its parts."""
        truth = self.world.truth
        concept, part = truth.concept[self.number], np.maximum(truth.part[self.number], 0)
        table = np.full((len(truth.rate), int(part.max(initial=0)) + 1), -1, np.int64)
        table[concept, part] = np.arange(len(concept))
        return table, np.bincount(concept, minlength=len(truth.rate))


def _directions(world: World, number: int) -> Float32[np.ndarray, "f d"]:
    """Unit rows of one model's features."""
    options, truth = world.options, world.truth
    width, base = options.widths[number], min(options.widths)
    common = _drawn(truth.n_shared, base, options.spectrum, derive(options.seed, "shared directions"))
    rng = derive(options.seed, "directions", number)
    turn = _rotation(base, width, rng) if options.rotate else np.eye(base, width)
    common = common @ turn
    common = common + options.direction_noise / np.sqrt(width) * rng.standard_normal(common.shape)
    concepts = np.unique(truth.concept[number])
    own = concepts[concepts >= truth.n_shared]
    private = _drawn(len(own), width, options.spectrum, rng)
    if options.rotate:
        private = private @ _rotation(width, width, rng)
    whole = np.zeros((len(truth.rate), width))
    whole[: truth.n_shared], whole[own] = unit(common), private
    rows = whole[truth.concept[number]]
    split = np.flatnonzero(truth.part[number] >= 0)
    aside = unit(rng.standard_normal((len(split), width)))
    aside = unit(aside - (aside * rows[split]).sum(axis=1, keepdims=True) * rows[split])
    rows[split] = SPLIT_COSINE * rows[split] + np.sqrt(1 - SPLIT_COSINE**2) * aside
    absorbs = truth.absorbs[number]
    rows[absorbs] += whole[truth.parent[truth.concept[number][absorbs]]]
    return unit(rows).astype(np.float32)


def _drawn(count: int, width: int, spectrum: float, rng: np.random.Generator) -> Float[np.ndarray, "f d"]:
    return unit(rng.standard_normal((count, width)) * (1.0 + np.arange(width)) ** -spectrum)


def _rotation(rows: int, columns: int, rng: np.random.Generator) -> Float[np.ndarray, "r c"]:
    """(rows, columns) orthonormal rows, uniform over all such."""
    q, r = np.linalg.qr(rng.standard_normal((columns, rows)))
    return (q * np.sign(np.diag(r))).T


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows divided by their norms.

    Raises:
        InputError: one is zero.
    """
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if (norms == 0).any():
        raise InputError("a direction has norm 0: use another seed")
    return rows / norms
