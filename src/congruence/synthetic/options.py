"""What a made-up world is asked to be: numbers with their ranges, checked before anything is drawn."""

from dataclasses import dataclass
from typing import Annotated

from congruence.errors import InputError
from congruence.options import Rule, at_least, check_fields

SHARE = Rule("a share from 0 to 1", lambda value: 0 <= value <= 1)
BELOW_ONE = Rule("a share from 0 up to, not including, 1", lambda value: 0 <= value < 1)
RATE = Rule("a share of tokens above 0 and below 1, such as 0.01", lambda value: 0 < value < 1)
NOT_NEGATIVE = Rule("a number from 0 on", lambda value: 0 <= value < float("inf"))


@dataclass(frozen=True, kw_only=True)
class WorldOptions:
    """Options of :func:`congruence.synthetic.make_world`.

    Raises:
        InputError: a value out of its range, or values that contradict each other.
    """

    features: Annotated[int, at_least(8)] = 600
    """Features of each model, before splitting."""
    shared: Annotated[float, SHARE] = 0.5
    """Share of them that every model has; round(shared · features) features exactly."""
    models: Annotated[int, at_least(1)] = 2
    """Number of models."""
    tokens: Annotated[int, at_least(2)] = 20_000
    """Tokens of the text that all models read."""
    document_tokens: Annotated[int, at_least(1)] = 100
    """Tokens of a document; the last one is shorter where they don't divide."""
    width: tuple[Annotated[int, at_least(2)], ...] = (64,)
    """Width of the hidden states: one number for all models, or one for each."""
    rotate: bool = True
    """Each model sees the shared directions under its own random rotation; off, all live in one space."""
    spectrum: Annotated[float, NOT_NEGATIVE] = 0.5
    """Directions have standard deviation i^-spectrum along their i-th axis: 0 is isotropic."""
    direction_noise: Annotated[float, NOT_NEGATIVE] = 0.0
    """Norm of what is added to a shared direction, of norm 1, in each model on its own."""
    max_rate: Annotated[float, RATE] = 0.1
    """Firing rate of the most frequent feature."""
    min_rate: Annotated[float, RATE] = 0.003
    """Firing rate of the rarest; in between, rates fall as a power of the rank."""
    topics: Annotated[int, at_least(1)] = 10
    """Topics of the text; every feature belongs to one."""
    correlation: Annotated[float, BELOW_ONE] = 0.3
    """Share of a feature's firing that happens inside its topic only; 0 makes features independent."""
    hierarchy: Annotated[float, BELOW_ONE] = 0.2
    """Share of the features that are children: they fire only where their parent does."""
    other_effects: Annotated[float, SHARE] = 0.0
    """Share of the shared features that do something else in every model but the first: they fire alike, and
    make other tokens more likely."""
    splitting: Annotated[float, SHARE] = 0.0
    """Share of the shared features that are several features in every model but the first."""
    split_into: Annotated[int, at_least(2)] = 3
    """Features that such a one is split into; each fires on its own part of the tokens."""
    absorption: Annotated[float, SHARE] = 0.0
    """Share of the children, in every model but the first, that have absorbed their parent's direction: the
    parent is silent where they fire."""
    jitter: Annotated[float, NOT_NEGATIVE] = 0.2
    """Standard deviation of the logarithm of what a model makes of an activation, on its own."""
    missed: Annotated[float, BELOW_ONE] = 0.05
    """Share of a feature's tokens on which a model misses it, on its own."""
    noise: Annotated[float, NOT_NEGATIVE] = 0.0
    """Norm of the Gaussian noise in a hidden state, where a feature's direction has norm 1."""
    vocabulary: Annotated[int, at_least(16)] = 500
    """Different tokens."""
    token_share: Annotated[float, SHARE] = 0.95
    """Share of tokens that are the own token of the strongest feature that fires there."""
    seed: Annotated[int, at_least(0)] = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.width) not in (1, self.models):
            raise InputError(
                f"width={self.width} names {len(self.width)} widths and there are {self.models} models: give "
                "one, or one for each"
            )
        if self.min_rate > self.max_rate:
            raise InputError(f"min_rate={self.min_rate} is above max_rate={self.max_rate}: swap them")
        most = self.max_rate * self.boost
        if most > 1:
            raise InputError(
                f"max_rate={self.max_rate} with correlation={self.correlation} and topics={self.topics} asks "
                f"a feature to fire on {most:.0%} of its topic's tokens: lower one of the three"
            )
        if self.document_tokens * 2 > self.tokens:
            raise InputError(
                f"tokens={self.tokens} make {self.documents} document of document_tokens="
                f"{self.document_tokens}: give at least two"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of each model."""
        return self.width if len(self.width) == self.models else self.width * self.models

    @property
    def documents(self) -> int:
        """Number of documents."""
        return -(-self.tokens // self.document_tokens)

    @property
    def boost(self) -> float:
        """How much more often than on average a feature fires inside its topic."""
        return 1 - self.correlation + self.correlation * self.topics

    @property
    def n_shared(self) -> int:
        """Features that all models have."""
        return round(self.shared * self.features)
