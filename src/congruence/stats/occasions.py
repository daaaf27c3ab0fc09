"""On how many independent occasions a feature fires: what a correlation of it rests on."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from congruence.stats.prepared import PreparedActs
from congruence.stats.sources import shape_of


def occasions(
    acts: PreparedActs, document_offsets: Int[np.ndarray, " documents_plus_1"]
) -> Float[np.ndarray, " f"]:
    """(f,) effective number of documents in which a feature fires.

    (Σ_d w_d)² / Σ_d w_d² with w_d the sum of squared activations in document d (Kish 1965): as many documents
    as carry a feature's variance if tokens of one document count as one. 560 of 560 documents where it fires
    everywhere alike, near 1 where one document has all of it, 0 where it never fires. One pass over the
    activations, 24 bytes a feature.

    Args:
        acts: activations of a layer.
        document_offsets: first row of each document, and n at the end.
    """
    total, squares, open_document = (np.zeros(acts.shape[1]) for _ in range(3))
    current = -1
    for rows, block in acts.source.blocks():
        document = np.searchsorted(document_offsets, rows, side="right") - 1
        first, place = np.unique(document, return_inverse=True)
        power = block.astype(np.float64).power(2)
        by: Any = sparse.csr_array((np.ones(len(rows)), (place, np.arange(len(rows)))))
        sums = sparse.csr_array(by @ power)
        for line in range(shape_of(sums)[0]):
            if first[line] != current:
                total += open_document
                squares += open_document**2
                open_document[:] = 0.0
                current = int(first[line])
            at = slice(sums.indptr[line], sums.indptr[line + 1])
            open_document[sums.indices[at]] += sums.data[at]
    total += open_document
    squares += open_document**2
    return np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)
