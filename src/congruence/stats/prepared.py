"""One side, prepared once and correlated with as many others as wanted."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from congruence.errors import InputError
from congruence.stats.documents import kept_offsets
from congruence.stats.kernels_accumulate import FLUSH
from congruence.stats.layout import Columns, Rows, build_columns, build_rows, rows_of
from congruence.stats.moments import Moments, moments_of
from congruence.stats.scaling import Scaling, scaling_of
from congruence.stats.sources import Source, checked_mask, open_source
from congruence.stats.split_rows import SplitRows, build_split_rows
from congruence.stats.views import chosen_features, repeated, shifted

OFTEN = 1 << 14
"""Features that count as firing often where a side has very many: each has as many accumulators to itself."""


class PreparedActs:
    """Activations of one layer with their moments, and the layouts of the last measure used.

    A grid over layer pairs prepares each layer once: :func:`congruence.stats.correlate` takes these in place
    of the activations and recomputes nothing. :meth:`part`, :func:`rolled` and :func:`of_features` give the
    same layer on some of the tokens, shifted round the corpus, and with some of its features.

    Memory kept, in bytes, for n tokens, f features and e entries (what fires, and every token of features
    that fire on more than half): 80 f for the statistics, and for the layouts, made when first asked for,
    8 (e + f) by feature and 6 e + 8 n (1 + f / 65,536) by token, or 8 e + 16 n where
    a side has very many features; :meth:`drop_layouts` frees them. Stored
    activations are read in blocks: beside that no more than one block of them is held. Above 2^28 entries
    :func:`congruence.stats.correlate` keeps no layout, and lays out 2^28 at a time.

    Attributes:
        source: the activations.
        moments: per-feature statistics.
        document_offsets: (documents + 1,) first kept token of each document, and n at the end; None where
            nobody said.
    """

    def __init__(self, source: Source, moments: Moments, document_offsets: np.ndarray | None = None) -> None:
        self.source = source
        self.moments = moments
        self.document_offsets = document_offsets
        self._layouts: dict[tuple[str, str, int], Any] = {}
        self._scalings: dict[str, Scaling] = {}
        varying = np.flatnonzero(~moments.constant)
        self._varying = varying[np.argsort(moments.firings[varying], kind="stable")]

    @property
    def shape(self) -> tuple[int, int]:
        """(tokens kept, features)."""
        return self.source.n, self.source.n_features

    @property
    def varying(self) -> np.ndarray:
        """The features that vary, the rarest first.

        Rare features have the highest correlations by chance: met first, they raise the bar for the rest.
        Features that fire often end up side by side, where the accumulators stay in the nearest cache.
        """
        return self._varying

    def scaling(self, measure: str) -> Scaling:
        """How the measure scales this side."""
        if measure not in self._scalings:
            self._scalings[measure] = scaling_of(measure, self.moments, self.source)
        return self._scalings[measure]

    def rows(self, measure: str, part_size: int) -> Rows:
        """All varying features laid out by token, kept for the next pair."""
        return self._kept(("rows", measure, part_size), lambda: self._built_rows(measure, part_size))

    def columns(self, measure: str) -> Columns:
        """All varying features laid out by feature, kept for the next pair."""
        return self._kept(("columns", measure, 0), lambda: self._built_columns(measure))

    def split_rows(self, measure: str) -> SplitRows:
        """All varying features laid out by token in one piece, kept for the next pair in place of `rows`."""
        rare = self.fires_rarely(self.varying)
        return self._kept(
            ("rows", measure, -1),
            lambda: build_split_rows(
                self.source, self.moments, self.scaling(measure), self.varying[:rare], self.varying[rare:]
            ),
        )

    def fires_rarely(self, features: np.ndarray) -> int:
        """How many of the features, given the rarest first, fire rarely; none of those is centred.

        The OFTEN that fire most often don't, nor do any that fire on more than FLUSH tokens, or on half.
        """
        firings = self.moments.firings
        most = [firings[self.varying[-OFTEN]]] if len(self.varying) > OFTEN else [0]
        return int(np.searchsorted(firings[features], min([*most, FLUSH + 1, self.moments.n // 2 + 1])))

    def _built_rows(self, measure: str, part_size: int) -> Rows:
        return build_rows(self.source, self.moments, self.scaling(measure), self.varying, part_size)

    def _built_columns(self, measure: str) -> Columns:
        return build_columns(self.source, self.moments, self.scaling(measure), self.varying)

    def part(self, tokens: Bool[np.ndarray, " n"] | Int[np.ndarray, " m"]) -> "PreparedActs":
        """The same layer on some of its tokens, with moments of their own: one pass over the activations.

        Args:
            tokens: (n,) mask of those to keep; or the rows to take, as a bootstrap gives them: a row named
                twice counts twice, and rows come in the order of the corpus.

        Raises:
            InputError: `tokens` isn't boolean, one entry a token, and no list of rows.
        """
        n = self.shape[0]
        tokens = np.asarray(tokens)
        if tokens.dtype.kind in "iu" and tokens.ndim == 1 and tokens.size:
            if tokens.min() < 0 or tokens.max() >= n:
                raise InputError(f"rows {tokens.min()} to {tokens.max()} are asked for: there are {n} tokens")
            times = np.bincount(tokens, minlength=n)
        else:
            times = checked_mask(tokens, n).astype(np.int64)
        source, offsets = repeated(self.source, times), self.document_offsets
        if offsets is not None:
            offsets = np.concatenate([[0], np.cumsum(times)])[offsets]
        return PreparedActs(source, moments_of(source), offsets)

    def drop_layouts(self) -> None:
        """Free the layouts; they are made again when asked for."""
        self._layouts.clear()

    def _kept(self, key: tuple[str, str, int], build: Callable[[], Any]) -> Any:
        found = self._layouts.get(key)
        if found is None:
            # One layout of each kind, or a run over several measures would hold them all. The old one goes
            # first; whoever asks from another thread meanwhile has what it asked for, made twice at worst.
            self._layouts = {old: layout for old, layout in self._layouts.items() if old[0] != key[0]}
            found = build()
            self._layouts = {**self._layouts, key: found}
        return found


class _Rolled(PreparedActs):
    def __init__(self, side: PreparedActs, shift: int) -> None:
        n, offsets = side.shape[0], side.document_offsets
        if offsets is not None:
            offsets = np.append(np.sort((offsets[:-1] + shift) % max(1, n)), n)
        super().__init__(shifted(side.source, shift), side.moments, offsets)
        self._side, self._shift = side, shift % max(1, n)

    def scaling(self, measure: str) -> Scaling:
        return self._side.scaling(measure)

    def _built_rows(self, measure: str, part_size: int) -> Rows:
        return self._side.rows(measure, part_size).rolled(self._shift)

    def _built_columns(self, measure: str) -> Columns:
        return self._side.columns(measure).rolled(self._shift, self.shape[0])


class _Chosen(PreparedActs):
    def __init__(self, side: PreparedActs, features: np.ndarray) -> None:
        super().__init__(
            chosen_features(side.source, features), side.moments.of_features(features), side.document_offsets
        )
        self._side, self._features = side, features

    def scaling(self, measure: str) -> Scaling:
        return self._side.scaling(measure).of_features(self._features)

    def _built_rows(self, measure: str, part_size: int) -> Rows:
        return rows_of(self.columns(measure), self.shape[0], part_size)

    def _built_columns(self, measure: str) -> Columns:
        return self._side.columns(measure).chosen(self._features[self.varying], self.varying)


def rolled(acts: Any, shift: int) -> PreparedActs:
    """A layer with token t in the place of t + shift, round the corpus, for nulls that pair again.

    Statistics are those of the layer, and a layout is its own with the entries moved: nothing is read anew.

    Args:
        acts: as for :func:`prepare`; prepared once for all shifts.
        shift: tokens, of either sign.
    """
    return _Rolled(prepare(acts), shift)


def of_features(acts: Any, features: Int[np.ndarray, " k"]) -> PreparedActs:
    """A layer with some of its features alone, feature i being `features[i]`, for nulls that pair again.

    Statistics and layouts are parts of the layer's own: nothing is read anew.

    Args:
        acts: as for :func:`prepare`; prepared once for all choices.
        features: (k,) which, each at most once.
    """
    return _Chosen(prepare(acts), np.asarray(features, np.int64))


def prepare(
    acts: Any, *, mask: np.ndarray | None = None, document_offsets: np.ndarray | None = None
) -> PreparedActs:
    """Moments of one side, and a place for what correlating it needs.

    Args:
        acts: (n, f) scipy sparse, stored activations, or dense; a PreparedActs is returned as it is.
        mask: (n,) bool, the tokens to keep.
        document_offsets: (documents + 1,) first row of each document, and n at the end, for what goes by
            documents; stored activations bring their own.

    Raises:
        InputError: not activations, or `mask` or `document_offsets` doesn't fit them.
    """
    if isinstance(acts, PreparedActs):
        if mask is not None:
            raise InputError("mask is given for a side that is already prepared: give it to prepare instead")
        return acts
    source = open_source(acts, mask)
    offsets = getattr(acts, "document_offsets", None) if document_offsets is None else document_offsets
    return PreparedActs(source, moments_of(source), kept_offsets(offsets, mask, acts.shape[0]))


def layer_statistics(acts: Any, *, mask: np.ndarray | None = None) -> Moments:
    """Firing counts, means and deviations of one layer's features, in one pass."""
    return prepare(acts, mask=mask).moments
