"""Tokens a second of encoding wide SAEs, beside the bare product and what plain torch takes, in one run.

    python benchmarks/encoding_wide.py                                    # some 20 minutes, 9 GB of memory
    python benchmarks/encoding_wide.py --sizes 16384 65536 --rounds 5     # two minutes

Unit columns for W_enc; tokens are sums of 32 of them, exponentially weighted, and noise. TopK with k = 32;
JumpReLU with the threshold that about 64 features of a token exceed. Each width and rule has a process of its
own, in which all are run in turns, on all cores, and the least time of each counts. On a machine that others
use, OMP_NUM_THREADS=1 and the ratio of processor times say more.

- `product`: x @ W_enc alone, in column blocks that it is quick in: what nothing that encodes can be below.
- `torch`: `relu(x @ W_enc + b_enc).topk(k)`, or the product, a comparison and `nonzero`, of as many tokens at
  a time as make 2 GiB dense.
- `dense batches`: `encode_csr` with 64 MiB dense at a time, as it was before blocks of features and is for
  other rules.
- `blocks`: `encode_csr`. `blocks, bfloat16`: of the SAE cast to it; the share of its
  firings that are others than in float32, and how far the rest's values are off (median, most).
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from coactivation_speed import peak_above
from scipy import sparse

from congruence.saes import Sae
from congruence.saes.activation_functions import JumpReLU, TopK
from congruence.saes.encoding import DENSE_BATCH_BYTES, FEATURES

SIZES = (16_384, 65_536, 262_144, 1_048_576)
K, FIRING, POOL = 32, 64, 4_096
TORCH_BYTES = 2 * 2**30


def made(rule: str, d_sae: int, options: argparse.Namespace) -> tuple[Sae, torch.Tensor]:
    """An SAE, and tokens such as it is for."""
    generator = torch.Generator().manual_seed(0)
    W_enc = torch.empty(options.d_in, d_sae).normal_(generator=generator).mul_(options.d_in**-0.5)
    acts = torch.zeros(options.tokens, POOL)
    where = torch.randint(POOL, (options.tokens, 32), generator=generator)
    acts.scatter_(1, where, torch.empty(options.tokens, 32).exponential_(generator=generator))
    x = acts @ W_enc[:, torch.randperm(d_sae, generator=generator)[:POOL]].T
    x += 0.1 * x.std() * torch.randn(x.shape, generator=generator)
    least = (x[:16] @ W_enc).topk(FIRING + 1).values[:, -1].mean()
    activation = TopK(K) if rule == "topk" else JumpReLU(least.expand(d_sae).contiguous())
    nothing = torch.zeros(1).expand(d_sae, options.d_in)
    return Sae(W_enc, nothing, torch.zeros(d_sae), torch.zeros(options.d_in), activation, rule), x


def product(sae: Sae, x: torch.Tensor) -> None:
    out = torch.empty(len(x), FEATURES)
    for start in range(0, sae.d_sae, FEATURES):
        torch.mm(x, sae.W_enc[:, start : start + FEATURES], out=out)


def plain(sae: Sae, x: torch.Tensor) -> None:
    for part in x.split(max(1, TORCH_BYTES // (4 * sae.d_sae))):
        pre = part @ sae.W_enc
        pre += sae.b_enc
        if sae.threshold is None:
            pre.relu_().topk(K)
        else:
            row, feature = torch.nonzero(pre > sae.threshold, as_tuple=True)
            pre[row, feature]


def differences(exact: sparse.csr_array, found: sparse.csr_array) -> str:
    """Share of the firings that only one has, and how far values of the others are apart."""
    has_a, has_b = exact.astype(bool), found.astype(bool)
    shared = has_a.multiply(has_b)
    others = 1 - shared.nnz / max(exact.nnz, found.nnz)
    apart = abs(exact - found).multiply(shared)
    relative = np.zeros(shared.nnz)
    of = apart.multiply(exact.power(-1)).data
    relative[: len(of)] = of
    return f"{100 * others:.1f} %, {100 * np.median(relative):.2f} %, {100 * relative.max():.1f} %"


def measure(rule: str, d_sae: int, options: argparse.Namespace) -> None:
    """In a process of its own: a line of the table for each way."""
    torch.manual_seed(0)
    sae, x = made(rule, d_sae, options)
    short = replace(sae, W_dec=sae.W_dec[:1]).to(dtype=torch.bfloat16)
    batch_size = max(1, DENSE_BATCH_BYTES // (4 * d_sae))
    ways: dict[str, Callable[[torch.Tensor], object]] = {
        "product": lambda x: product(sae, x),
        "torch": lambda x: plain(sae, x),
        "dense batches": lambda x: sae.encode_csr(x, batch_size=batch_size),
        "blocks": sae.encode_csr,
        "blocks, bfloat16": short.encode_csr,
    }
    took, peaks, found = {}, {}, {}
    for name in ("blocks", "blocks, bfloat16"):
        ways[name](x[:4])  # compiles
    for _ in range(options.rounds):
        for name, way in ways.items():

            def timed(name: str = name, way: Callable[[torch.Tensor], object] = way) -> None:
                start = np.array([time.perf_counter(), time.process_time()])
                found[name] = way(x)
                spent = np.array([time.perf_counter(), time.process_time()]) - start
                took[name] = np.minimum(took.get(name, np.inf), spent)

            peaks[name] = peak_above(timed)
    error = differences(found["blocks"], found["blocks, bfloat16"])
    for name in ways:
        cells = (
            f"{len(x) / took[name][0]:,.0f}", *(f"{ratio:.2f}" for ratio in took[name] / took["product"]),
            f"{peaks[name]:,.0f}",
            error if "bfloat16" in name else "",
        )  # fmt: skip
        print(f"| {rule} | {d_sae:,} | {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--d-in", type=int, default=768)
    parser.add_argument("--tokens", type=int, default=2_048)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rules", nargs="+", default=("topk", "jumprelu"))
    options = parser.parse_args()
    print(
        "| rule | d_sae | | tokens/s | × product, wall | processor | MB beyond weights | others, values off |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for d_sae in options.sizes:
        for rule in options.rules:
            child = multiprocessing.get_context("spawn").Process(target=measure, args=(rule, d_sae, options))
            child.start()
            child.join()
            if child.exitcode:
                raise SystemExit(f"{rule} with {d_sae} features fails: see above")


if __name__ == "__main__":
    main()
