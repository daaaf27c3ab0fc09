"""What concepts need of one layer, computed once for all its cells: members, and those of random words."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from congruence.concepts import Members, concept_mass, concept_members, members_of_groups, top_word_table
from congruence.matching.inside import LayerColumns
from congruence.matching.subsets import Ragged
from congruence.metrics import DecoderRows
from congruence.records import TopTokens
from congruence.run.selections.text import ConceptText
from congruence.stats import PreparedActs, top_tokens


@dataclass(eq=False)
class LayerConcepts:
    """One layer of one side.

    Attributes:
        name: what seeds are derived from, e.g. "a/real/3".
        text: the concepts on the corpus.
        acts: activations, prepared by `congruence.stats`.
        rows: decoder rows.
        top: top tokens of every feature.
        exclude: (f,) features that belong to no concept (those that fire on punctuation).
    """

    name: str
    text: ConceptText
    acts: PreparedActs
    rows: DecoderRows
    top: TopTokens
    exclude: Bool[np.ndarray, " f"]
    _members: dict[str, Members] = field(default_factory=dict, repr=False)
    _unrelated: dict[tuple[str, int, str | None], Ragged] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        name: str,
        text: ConceptText,
        acts: PreparedActs,
        W_dec: Float[np.ndarray, "f d"],
        token_ids: Int[np.ndarray, " n"],
        *,
        top: TopTokens | None = None,
        exclude: Bool[np.ndarray, " f"] | None = None,
        fill: bool = False,
    ) -> "LayerConcepts":
        """Find the layer's top tokens, unless somebody has; `fill` as there."""
        top = top_tokens(acts, token_ids, k=text.config.top_k, fill=fill) if top is None else top
        excluded = np.zeros(len(W_dec), dtype=bool) if exclude is None else exclude
        return cls(name, text, acts, DecoderRows(W_dec), top, excluded)

    @property
    def nbytes(self) -> int:
        """Memory held, about: activations with layouts, decoder rows, tables, features of random groups."""
        tables = (self.top.values, self.top.positions, self.top.token_ids, self.rows.W_dec)
        groups = sum(group.values.nbytes + group.offsets.nbytes for group in self._unrelated.values())
        return layout_bytes(self.acts) + sum(table.nbytes for table in tables) + groups

    @cached_property
    def columns(self) -> LayerColumns:
        """Activations laid out for pairing inside subsets."""
        return LayerColumns.of(self.acts, exclude=self.exclude)

    @cached_property
    def eligible(self) -> Int[np.ndarray, " e"]:
        """Features that could belong to a concept: those that vary and aren't excluded."""
        return np.flatnonzero(self.columns.alive & ~self.exclude & (self.top.positions[:, 0] >= 0))

    @cached_property
    def mass(self) -> dict[str, np.ndarray]:
        """Share of each feature's activation that falls on each subspace's keywords."""
        names = list(self.text.subspaces)
        positions = np.stack([self.text.positions[name] for name in names])
        shares = concept_mass((block for _, block in self.acts.source.blocks()), positions)
        return dict(zip(names, shares, strict=True))

    def members(self, name: str) -> Members:
        """The features of one subspace."""
        if name not in self._members:
            self._members[name] = concept_members(
                self.top,
                self.text.positions[name],
                rule=self.text.config.rule(),
                mass=self.mass[name],
                exclude=self.exclude,
            )
        return self._members[name]

    def unrelated(
        self, name: str, numbers: Int[np.ndarray, " m"], attempt: int, *, draws: int, part: str | None = None
    ) -> Ragged:
        """The features of random keyword groups in place of a subspace's keywords, or of a union's part's.

        Args:
            name: the subspace.
            numbers: which draws.
            attempt: 0, or how often they have been made before.
            draws: how many there are in all.
            part: a concept of the union.
        """
        key = (name, attempt, part)
        if key not in self._unrelated:
            self._unrelated[key] = self._of_groups(name, draws, attempt, part)
        return self._unrelated[key].take(numbers)

    def _of_groups(self, name: str, draws: int, attempt: int, part: str | None) -> Ragged:
        groups = self.text.random_groups(name, draws, attempt)
        words = groups.words
        if part is not None:
            words = words[:, self.text.columns_of_part(name, part, groups)]
        rule, n_words = self.text.config.rule(), len(self.text.index.words)
        exclude = self.exclude | ~self.columns.alive
        return members_of_groups(self._top_words, words, n_words, rule=rule, exclude=exclude)

    @cached_property
    def _top_words(self) -> Int[np.ndarray, "f k"]:
        config = self.text.config
        return top_word_table(self.top, self.text.index, rule=config.rule(), pieces=config.pieces)


def layout_bytes(acts: PreparedActs) -> int:
    """What activations in memory take with layouts by feature and by token: 8 + 8 + 6 bytes an entry.

    And 6 for the layout by token without the features left out.
    """
    return 28 * int(acts.moments.firings.sum())
