"""One optimizer step of a TopK SAE on one core: train-sae's, SAELens' own and dictionary_learning's.

    pip install -e '.[train]' dictionary-learning 'nnsight<0.4'    # what isn't there is left out
    OMP_NUM_THREADS=1 python benchmarks/training_step.py           # a minute

Random inputs, 2,048 tokens, processor seconds, the least of some steps in turns. The six products are what a
dense step can't be below: x @ W_enc and five more of its size.
"""

import importlib.util
import time
from collections.abc import Callable

import torch

from congruence.training import SaeSettings, TrainingSettings, make_trainer, topk_cpu

SIZES = ((288, 2_304, 16), (768, 6_144, 32))
TOKENS, STEPS = 2_048, 8
FEW = topk_cpu.FEW


def of_sae_lens(x: torch.Tensor, d_sae: int, k: int, *, half: bool, few: int) -> Callable[[], None]:
    """A step of sae-lens' trainer; by its own dense products where `few` is too much for k of d_sae."""
    settings = TrainingSettings(steps=1000, batch=TOKENS, mixed_precision=half)
    trainer = make_trainer(SaeSettings(k=k, d_sae=d_sae), settings, d_in=x.shape[1], seed=0)
    trainer.activation_scaler.scaling_factor = 1.0

    def step() -> None:
        topk_cpu.FEW = few
        trainer.step(x).loss.item()
        trainer.n_training_steps += 1

    return step


def of_dictionary_learning(x: torch.Tensor, d_sae: int, k: int) -> Callable[[], None]:
    from dictionary_learning.trainers.top_k import TopKTrainer

    trainer = TopKTrainer(
        steps=1000, activation_dim=x.shape[1], dict_size=d_sae, k=k, layer=0, lm_name="", device="cpu",
        warmup_steps=10,
    )  # fmt: skip
    return lambda: trainer.update(1, x)


def main() -> None:
    torch.set_num_threads(1)
    print("| | " + " | ".join(f"d_in {d}, k {k} of {f:,}" for d, f, k in SIZES) + " |")
    print("|---" * (len(SIZES) + 1) + "|")
    rows: dict[str, list[str]] = {}
    for d_in, d_sae, k in SIZES:
        x, W_enc = torch.randn(TOKENS, d_in), torch.randn(d_in, d_sae)
        steps = {
            "train-sae": of_sae_lens(x, d_sae, k, half=False, few=FEW),
            "with `mixed_precision`": of_sae_lens(x, d_sae, k, half=True, few=FEW),
            "SAELens": of_sae_lens(x, d_sae, k, half=False, few=d_sae + 1),
            "SAELens, autocast": of_sae_lens(x, d_sae, k, half=True, few=d_sae + 1),
        }
        if importlib.util.find_spec("dictionary_learning") is not None:
            steps["dictionary_learning"] = of_dictionary_learning(x, d_sae, k)
        steps["six products of the size of x @ W_enc"] = lambda x=x, W=W_enc: [x @ W for _ in range(6)]
        least = dict.fromkeys(steps, float("inf"))
        for _ in range(STEPS):
            for name, step in steps.items():
                start = time.process_time()
                step()
                least[name] = min(least[name], time.process_time() - start)
        for name, seconds in least.items():
            rows.setdefault(name, []).append(f"{seconds:.3f}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
