"""Encoding many tokens into one CSR matrix, a batch at a time."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from congruence.saes.activation_functions import Triplets

if TYPE_CHECKING:
    from congruence.saes.sae import Sae

DENSE_BATCH_BYTES = 64 * 2**20


@torch.no_grad()
def encode_in_batches(sae: "Sae", x: Tensor, *, batch_size: int | None = None) -> sparse.csr_array:
    """Feature activations of `x` as float32 CSR; see `Sae.encode_csr`."""
    rows = sae.flat_heads(x).reshape(-1, sae.d_in)
    size = batch_size or max(1, DENSE_BATCH_BYTES // (sae.d_sae * sae.W_enc.element_size()))
    blocks = [_block(sae, rows[start : start + size]) for start in range(0, len(rows), size)]
    if not blocks:
        return sparse.csr_array((0, sae.d_sae), dtype=np.float32)
    return blocks[0] if len(blocks) == 1 else sparse.csr_array(sparse.vstack(blocks, format="csr"))


def _block(sae: "Sae", x: Tensor) -> sparse.csr_array:
    return csr_of(sae.activation.sparse(*sae.linear(x)), (len(x), sae.d_sae))


def csr_of(triplets: Triplets, shape: tuple[int, int]) -> sparse.csr_array:
    """Triplets in row order as CSR with sorted column indices."""
    row, feature = triplets.row.cpu().numpy(), triplets.feature.cpu().numpy()
    value = triplets.value.float().cpu().numpy()
    indptr = np.zeros(shape[0] + 1, dtype=np.int32)
    np.cumsum(np.bincount(row, minlength=shape[0]), out=indptr[1:])
    block = sparse.csr_array((value, feature.astype(np.int32), indptr), shape=shape)
    block.sort_indices()
    return block
