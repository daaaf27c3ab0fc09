"""Where features fire in some text, and what they contribute there."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse

from congruence.models import LanguageModel, Tokens
from congruence.models.edits import logits_at
from congruence.saes import Sae


@dataclass(frozen=True, eq=False)
class Ablator:
    """A model whose features can be taken out of some text.

    Attributes:
        model: with a language head.
        tokens: the text.
        hook_name: where the SAE reads, and its features are taken out.
        sae: the SAE.
        states: (kept tokens, d) of the model there.
        at: (n,) kept token at which each place of the text ends; places are shared by both models.
        batch_tokens: positions in one forward pass, padding included.
    """

    model: LanguageModel
    tokens: Tokens
    hook_name: str
    sae: Sae
    states: Float[np.ndarray, "t d"]
    at: Int[np.ndarray, " n"]
    batch_tokens: int = 8192

    @cached_property
    def acts(self) -> sparse.csc_array:
        """(kept tokens, d_sae) activations."""
        found = sparse.csc_array(self.sae.encode_csr(torch.from_numpy(self.states)))
        found.sort_indices()
        return found

    @cached_property
    def at_places(self) -> sparse.csc_array:
        """(n, d_sae) activations at the places."""
        return sparse.csc_array(sparse.csr_array(self.acts)[self.at])

    @cached_property
    def row(self) -> Int[np.ndarray, " t"]:
        """Row of the text of each kept token."""
        return np.nonzero(self.tokens.keep)[0]

    @cached_property
    def column(self) -> Int[np.ndarray, " t"]:
        """Position of each kept token in its row."""
        return np.nonzero(self.tokens.keep)[1]

    def strongest(
        self, feature: int, most: int, *, among: np.ndarray, document: np.ndarray
    ) -> Int[np.ndarray, " k"]:
        """Places of the highest activations of a feature, one a document, strongest first.

        Args:
            feature: which.
            most: of them.
            among: (n,) mask of places that may be taken.
            document: (n,) of each place.
        """
        column = self.at_places[:, [feature]].tocoo()
        places, values = column.coords[0], column.data
        usable = (values > 0) & among[places]
        places, values = places[usable], values[usable]
        order = np.lexsort((places, -values))
        _, first = np.unique(document[places[order]], return_index=True)
        return places[order][np.sort(first)][:most]

    def firing_before(self, feature: int, place: int) -> Int[np.ndarray, " m"]:
        """Kept tokens on which a feature fires, in the row of a place and up to it."""
        last, (fired, _) = self.at[place], self._fires(feature)
        first = np.searchsorted(self.row, self.row[last])
        return fired[slice(*np.searchsorted(fired, [first, last + 1]))]

    def contribution(
        self, feature: int | Int[np.ndarray, " m"], at: Int[np.ndarray, " m"]
    ) -> Float[np.ndarray, "m d"]:
        """What a feature, one or one a token, adds to the SAE's output at some kept tokens."""
        if not len(at):
            return np.zeros((0, self.states.shape[1]))
        features = np.broadcast_to(feature, at.shape)
        values = np.zeros(len(at), dtype=np.float32)
        for one in np.unique(features).tolist():
            (fired, strength), mine = self._fires(one), features == one
            place = np.searchsorted(fired, at[mine]).clip(max=max(len(fired) - 1, 0))
            values[mine] = np.where(fired[place] == at[mine], strength[place], 0) if len(fired) else 0
        x = torch.from_numpy(self.states[at])
        alone = sparse.csr_array((values, features, np.arange(len(at) + 1)), shape=(len(at), self.sae.d_sae))
        nothing = sparse.csr_array(alone.shape, dtype=np.float32)
        given = self.sae.decode_csr(alone, x) - self.sae.decode_csr(nothing, x)
        return given.double().cpu().numpy()

    def _fires(self, feature: int) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Kept tokens on which a feature fires, ascending, and how strongly."""
        column = slice(self.acts.indptr[feature], self.acts.indptr[feature + 1])
        return self.acts.indices[column], self.acts.data[column]

    def predict(
        self, places: Int[np.ndarray, " k"], changes: list[tuple[np.ndarray, np.ndarray]]
    ) -> "Float[torch.Tensor, 'k v']":
        """Log-probabilities of what follows some places, each with its own change of the states.

        Args:
            places: where; each is read from the start of its row up to it.
            changes: of each, kept tokens of its row and (m, d) what to add there.

        Returns:
            (k, vocabulary) float32, on the CPU.
        """
        columns = self.column[self.at[places]]
        order = np.argsort(columns, kind="stable")
        found: list[torch.Tensor] = []
        while (done := sum(len(one) for one in found)) < len(order):
            many = np.arange(1, len(order) - done + 1) * (columns[order[done:]] + 1)
            count = max(1, int((many <= max(1, self.batch_tokens // 4)).sum()))  # rows of about one length
            chosen = order[done : done + count]
            found.append(self._predict(places[chosen], [changes[one] for one in chosen.tolist()]))
        given = torch.empty_like(torch.cat(found))
        given[torch.from_numpy(order)] = torch.cat(found)
        return given

    def _predict(self, places: np.ndarray, changes: list[tuple[np.ndarray, np.ndarray]]) -> torch.Tensor:
        last = self.at[places]
        rows, columns = self.row[last], self.column[last]
        used = int(columns.max()) + 1
        ids = torch.from_numpy(self.tokens.input_ids[rows, :used].astype(np.int64))
        mask = self.tokens.attention_mask[rows, :used].astype(bool) & (np.arange(used) <= columns[:, None])
        batch = np.repeat(np.arange(len(places)), [len(at) for at, _ in changes])
        at = np.concatenate([at for at, _ in changes]) if changes else np.zeros(0, dtype=np.int64)
        add = torch.from_numpy(np.concatenate([values for _, values in changes]).astype(np.float32))
        where = torch.from_numpy(batch), torch.from_numpy(self.column[at])

        def edit(whole: torch.Tensor) -> torch.Tensor:
            new = whole.float()
            new = new.index_put(
                [one.to(whole.device) for one in where], add.to(whole.device), accumulate=True
            )
            return new.to(whole.dtype)

        logits = logits_at(
            self.model, ids, torch.from_numpy(mask), torch.arange(len(places)), torch.from_numpy(columns),
            hook_name=self.hook_name, edit=edit if len(at) else None,
        )  # fmt: skip
        return torch.log_softmax(logits, dim=-1).cpu()
