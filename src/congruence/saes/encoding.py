"""Feature activations of many tokens as CSR: in dense batches, or in blocks of features where there are many.

Of a wide dictionary a dense batch of bounded size is a few tokens, and for each batch all of W_enc is read.
Then thousands of tokens are multiplied with few features at a time, and what fires is taken out of that block
while it is in the cache.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from congruence.saes.activation_functions import Activation, Separate, TopK, Triplets, fired

DENSE_BATCH_BYTES = 64 * 2**20
WIDE = 16_384
"""Features from which on blocks are used."""
TOKENS = 2_048
"""Tokens that are multiplied with one block of features after another, at most."""
FEATURES, FEATURES_ELSEWHERE = 1_024, 16_384
"""Features in a block, on a CPU and on other devices, where a call costs more and no cache has to hold it."""
EXACT_IN_FLOAT32 = (torch.float32, torch.bfloat16, torch.float16)

Products = Callable[[slice], Tensor]
"""What some tokens' inputs give the features of a slice, before biases: (n, features)."""


def encode_tokens(
    x: Tensor,
    products: Callable[[Tensor], Products],
    rule: Activation,
    b_enc: Tensor,
    *,
    batch_size: int | None = None,
) -> sparse.csr_array:
    """What `rule` lets fire, as float32 CSR (n, d_sae).

    From 16,384 features on, of a rule that can be applied to a part of them, 2,048 tokens are multiplied with
    1,024 features at a time: 8 MiB in float32, whatever d_sae is (128 MiB on devices other than a CPU).
    Beyond that and two copies of it, memory is the input of these tokens, what fires (twice), and for TopK
    12 k bytes a token. Else it is dense batches of 64 MiB and what the rule copies of them.

    Args:
        x: (n, ...) inputs of tokens.
        products: of some tokens, what gives the products with the features of a slice.
        rule: the activation rule.
        b_enc: (d_sae,).
        batch_size: tokens whose dense products are made, of all features at once, instead of all that.
    """
    d_sae = len(b_enc)
    in_blocks = batch_size is None and d_sae >= WIDE and rule.takes_parts
    if in_blocks:
        batches = x.tensor_split(-(-len(x) // TOKENS)) if len(x) else ()
        parts = [_in_blocks(products(batch), rule, b_enc, len(batch)) for batch in batches]
    else:
        batches = x.split(batch_size or max(1, DENSE_BATCH_BYTES // (d_sae * b_enc.element_size())))
        parts = [_dense(products(batch), rule, b_enc, len(batch)) for batch in batches if len(batch)]
    if not parts:
        return sparse.csr_array((0, d_sae), dtype=np.float32)
    return parts[0] if len(parts) == 1 else sparse.csr_array(sparse.vstack(parts, format="csr"))


def _dense(product: Products, rule: Activation, b_enc: Tensor, n: int) -> sparse.csr_array:
    return _csr_of(rule.sparse(product(slice(0, len(b_enc))), b_enc), (n, len(b_enc)))


def _in_blocks(product: Products, rule: Activation, b_enc: Tensor, n: int) -> sparse.csr_array:
    on_cpu, d_sae = b_enc.device.type == "cpu", len(b_enc)
    width = FEATURES if on_cpu else FEATURES_ELSEWHERE
    parts = (slice(start, min(start + width, d_sae)) for start in range(0, d_sae, width))
    compiled = on_cpu and b_enc.dtype in EXACT_IN_FLOAT32
    if isinstance(rule, TopK):
        pres = ((part.start, rule.pre_activation(product(part), b_enc[part])) for part in parts)
        values, features = (_largest_compiled if compiled else _largest)(pres, n, min(rule.k, d_sae))
        return _csr_of_rows(np.maximum(values, 0) if rule.relu else values, features, d_sae)
    assert isinstance(rule, Separate)
    fire = _fired_compiled if compiled else _fired
    blocks = [fire(rule.part(part), product(part), b_enc[part]) for part in parts]
    return sparse.csr_array(sparse.hstack(blocks, format="csr"))


def _fired(rule: Separate, linear: Tensor, b_enc: Tensor) -> sparse.csr_array:
    """One block's activations, of a rule that each feature is under by itself."""
    return _csr_of(rule.sparse(linear, b_enc), (len(linear), len(b_enc)))


def _fired_compiled(rule: Separate, linear: Tensor, b_enc: Tensor) -> sparse.csr_array:
    """The same in one pass on a CPU."""
    from congruence.saes.block_kernels import above

    values, floor = rule.floored(linear, b_enc)
    found = above(values.float().numpy(), floor.float().expand(len(b_enc)).contiguous().numpy())
    return sparse.csr_array(found, shape=tuple(values.shape))


def _largest(pres: Iterable[tuple[int, Tensor]], n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and features (n, k) of the largest in all blocks; which of equal ones, torch.topk says."""
    values, features = torch.empty(n, 0), torch.empty(n, 0, dtype=torch.int64)
    for first, pre in pres:
        some, at = pre.topk(min(k, pre.shape[-1]), dim=-1, sorted=False)
        values = torch.cat([values.to(some), some], dim=-1)
        features = torch.cat([features.to(at), at + first], dim=-1)
        values, best = values.topk(min(k, values.shape[-1]), dim=-1, sorted=False)
        features = features.gather(-1, best)
    return values.float().cpu().numpy(), features.cpu().numpy()


def _largest_compiled(pres: Iterable[tuple[int, Tensor]], n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The same on a CPU: only what exceeds a token's k-th so far is looked at; of equal ones the first."""
    from congruence.saes.block_kernels import RunningLargest

    largest = RunningLargest(n, k)
    for first, pre in pres:
        largest.add(pre.float().numpy(), first)
    return largest.found()


def _csr_of(triplets: Triplets, shape: tuple[int, int]) -> sparse.csr_array:
    """Triplets in row order as CSR with sorted column indices."""
    row, feature = triplets.row.cpu().numpy(), triplets.feature.cpu().numpy()
    value = triplets.value.float().cpu().numpy()
    indptr = np.zeros(shape[0] + 1, dtype=np.int32)
    np.cumsum(np.bincount(row, minlength=shape[0]), out=indptr[1:])
    block = sparse.csr_array((value, feature.astype(np.int32), indptr), shape=shape)
    block.sort_indices()
    return block


def _csr_of_rows(values: np.ndarray, features: np.ndarray, d_sae: int) -> sparse.csr_array:
    """CSR of what isn't 0 among (n, k) values of (n, k) features."""
    return _csr_of(fired(torch.from_numpy(values), torch.from_numpy(features)), (len(values), d_sae))
