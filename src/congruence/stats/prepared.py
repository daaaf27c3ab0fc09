"""One side, prepared once and correlated with as many others as wanted."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from congruence.errors import InputError
from congruence.stats.documents import kept_offsets
from congruence.stats.layout import Columns, Rows, build_columns, build_rows
from congruence.stats.moments import Moments, moments_of
from congruence.stats.scaling import Scaling, scaling_of
from congruence.stats.sources import Source, checked_mask, open_source
from congruence.stats.views import repeated, shifted


class PreparedActs:
    """Activations of one layer with their moments, and the layouts of the last measure used.

    A grid over layer pairs prepares each layer once: :func:`congruence.stats.correlate` takes these in place
    of the activations and recomputes nothing. :meth:`part` and :func:`rolled` give the same layer on some of
    the tokens, and shifted round the corpus.

    Memory kept, in bytes, for n tokens, f features and e entries (what fires, and every token of features
    that fire on more than half): 80 f for the statistics, and for the layouts, made when first asked for,
    8 (e + f) by feature and 6 e + 8 n (1 + f / 65,536) by token; :meth:`drop_layouts` frees them. Stored
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
        self._unrolled: tuple[PreparedActs, int] | None = None
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

        def build() -> Rows:
            if self._unrolled is not None:
                side, shift = self._unrolled
                return side.rows(measure, part_size).rolled(shift)
            return build_rows(self.source, self.moments, self.scaling(measure), self.varying, part_size)

        return self._kept(("rows", measure, part_size), build)

    def columns(self, measure: str) -> Columns:
        """All varying features laid out by feature, kept for the next pair."""

        def build() -> Columns:
            if self._unrolled is not None:
                side, shift = self._unrolled
                return side.columns(measure).rolled(shift, self.shape[0])
            return build_columns(self.source, self.moments, self.scaling(measure), self.varying)

        return self._kept(("columns", measure, 0), build)

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
        if key not in self._layouts:
            # One layout of each kind, or a run over several measures would hold them all.
            self._layouts = {old: layout for old, layout in self._layouts.items() if old[0] != key[0]}
            self._layouts[key] = build()
        return self._layouts[key]


def rolled(acts: Any, shift: int) -> PreparedActs:
    """A layer with token t in the place of t + shift, round the corpus, for nulls that pair again.

    Statistics are those of the layer, and a layout is its own with the entries moved: nothing is read anew.

    Args:
        acts: as for :func:`prepare`; prepared once for all shifts.
        shift: tokens, of either sign.
    """
    side = prepare(acts)
    n, offsets = side.shape[0], side.document_offsets
    if offsets is not None:
        offsets = np.append(np.sort((offsets[:-1] + shift) % max(1, n)), n)
    moved = PreparedActs(shifted(side.source, shift), side.moments, offsets)
    moved._scalings, moved._unrolled = side._scalings, (side, shift % max(1, n))
    return moved


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
