"""Train one of the two demo language models (GPT-NeoX architecture, tied embeddings).

    python demo/language_models.py --build build/ --size small
    python demo/language_models.py --build build/ --size large

Both see the same documents in different orders and from different seeds. A checkpoint is written every
200 steps; the same command goes on from it. The result is a Hugging Face folder (fp16 safetensors, the
tokenizer beside it) and figures.json with the held-out loss.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizer import read_texts
from transformers import AutoTokenizer, GPTNeoXConfig, GPTNeoXForCausalLM

CONTEXT = 256
CHECKPOINT_EVERY = 200


@dataclass(frozen=True)
class Recipe:
    """What makes one model; `steps` batches of `batch` contexts of CONTEXT tokens."""

    width: int
    heads: int
    layers: int
    seed: int
    learning_rate: float
    batch: int = 16
    steps: int = 3600
    warmup: int = 200


RECIPES = {
    "small": Recipe(width=96, heads=3, layers=5, seed=11, learning_rate=4e-3),
    "large": Recipe(width=192, heads=6, layers=5, seed=23, learning_rate=2.5e-3),
}


def build_model(recipe: Recipe, vocabulary: int) -> GPTNeoXForCausalLM:
    """A GPT-NeoX model with the recipe's sizes, initialised from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    return GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=vocabulary,
            hidden_size=recipe.width,
            intermediate_size=4 * recipe.width,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            use_parallel_residual=True,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def token_stream(build: Path, name: str) -> np.ndarray:
    """All documents of a split, each with its leading END_OF_TEXT, as one array of token ids (cached)."""
    cached = build / f"{name}.npy"
    if not cached.exists():
        tokenizer = AutoTokenizer.from_pretrained(build / "tokenizer")
        encoded = tokenizer(read_texts(build / f"{name}.jsonl"))["input_ids"]
        np.save(cached, np.concatenate([np.asarray(ids, dtype=np.int32) for ids in encoded]))
    return np.load(cached)


def batch_at(stream: np.ndarray, recipe: Recipe, step: int) -> torch.Tensor:
    """The batch of one step: random windows, the same however often a run was stopped."""
    rng = np.random.default_rng([recipe.seed, step])
    starts = rng.integers(0, len(stream) - CONTEXT, size=recipe.batch)
    return torch.from_numpy(np.stack([stream[start : start + CONTEXT] for start in starts]).astype(np.int64))


def learning_rate_at(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then a cosine to a twentieth of the peak."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    progress = (step - recipe.warmup) / (recipe.steps - recipe.warmup)
    return recipe.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def held_out_loss(model: GPTNeoXForCausalLM, stream: np.ndarray) -> float:
    """Mean cross-entropy in nats a token over consecutive windows, first token of each not scored."""
    model.eval()
    windows = len(stream) // CONTEXT
    ids = torch.from_numpy(stream[: windows * CONTEXT].reshape(windows, CONTEXT).astype(np.int64))
    losses = [model(input_ids=chunk, labels=chunk).loss.item() * len(chunk) for chunk in ids.split(32)]
    model.train()
    return sum(losses) / windows


def train(build: Path, size: str) -> GPTNeoXForCausalLM:
    """Train to the recipe's last step, from the newest checkpoint if there is one."""
    recipe = RECIPES[size]
    tokenizer = AutoTokenizer.from_pretrained(build / "tokenizer")
    stream, validation = token_stream(build, "train"), token_stream(build, "validation")
    model = build_model(recipe, len(tokenizer))
    decay = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
        betas=(0.9, 0.95),
    )
    checkpoint, first = build / f"{size}.checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    started = time.time()
    for step in range(first, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(recipe, step)
        ids = batch_at(stream, recipe, step)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % CHECKPOINT_EVERY == 0:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(state, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
            rate = (step + 1 - first) * recipe.batch * CONTEXT / (time.time() - started)
            held = held_out_loss(model, validation[: 64 * CONTEXT])
            print(
                f"{size} step {step + 1} loss {loss.item():.3f} held out {held:.3f} {rate:.0f} tokens/s",
                flush=True,
            )
    return model


def save(model: GPTNeoXForCausalLM, build: Path, size: str) -> None:
    """Write the Hugging Face folder in fp16 and the figures reached, measured after rounding to fp16."""
    folder = build / size
    model.half().save_pretrained(folder)
    AutoTokenizer.from_pretrained(build / "tokenizer").save_pretrained(folder)
    rounded = GPTNeoXForCausalLM.from_pretrained(folder, dtype=torch.float32)
    figures = {
        "recipe": asdict(RECIPES[size]),
        "non_embedding_parameters": sum(
            p.numel() for name, p in rounded.named_parameters() if "embed" not in name
        ),
        "parameters": sum(p.numel() for p in rounded.parameters()),
        "held_out_loss": held_out_loss(rounded, token_stream(build, "validation")),
    }
    (build / f"{size}.figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--size", choices=sorted(RECIPES), required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    save(train(arguments.build, arguments.size), arguments.build, arguments.size)


if __name__ == "__main__":
    main()
