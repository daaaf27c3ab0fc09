"""Where the time of a run goes: one language model on both sides, from the command to the finished folder.

    python benchmarks/whole_run.py --model FOLDER [--layers 0 2 4] [--documents 100] [--max-tokens 256]
    python benchmarks/whole_run.py --random-llama      a random model of the shape of SmolLM2-135M

SAEs are made up from the model's own states (their leading directions, TopK of 32) and stored as files, so
that reading, examining and encoding them is as in a run. Seconds are of the processor and of the wall; those
of a part don't contain those of the parts within it.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from congruence.models import LanguageModel, load_corpus, load_model, tokenize
from congruence.recipes.demo import demo_folder

K, WIDER = 32, 8
TEXT = demo_folder() / "text" / "comparison.jsonl"


class Clock:
    """Seconds by part; a part within another is taken out of it."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = defaultdict(float)
        self.wall: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inside: list[list[float]] = []

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time counted."""

        def run(*args: Any, **kwargs: Any) -> Any:
            cpu, wall = time.process_time(), time.perf_counter()
            self._inside.append([0.0, 0.0])
            try:
                return work(*args, **kwargs)
            finally:
                spent = time.process_time() - cpu, time.perf_counter() - wall
                within = self._inside.pop()
                self.cpu[part] += spent[0] - within[0]
                self.wall[part] += spent[1] - within[1]
                self.calls[part] += 1
                if self._inside:
                    self._inside[-1][0] += spent[0]
                    self._inside[-1][1] += spent[1]

        return run


def random_llama(folder: Path) -> Path:
    """A random Llama of SmolLM2-135M's shape, with the tokenizer of the demo's models."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(demo_folder() / "small")
    config = LlamaConfig(
        vocab_size=49_152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=2048, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_saes(model: Path, layers: list[int], folder: Path) -> None:
    """TopK SAEs of eight times the width: leading directions of the states, both ways, and random ones."""
    loaded = load_model(model)
    tokens = tokenize(load_corpus(TEXT, documents=20), loaded.tokenizer, max_tokens=128)
    ids = torch.from_numpy(tokens.input_ids).long()
    names = [f"resid_post.{layer}" for layer in layers]
    states = loaded.capture(ids, torch.from_numpy(tokens.attention_mask), names)
    generator = torch.Generator().manual_seed(0)
    for layer, name in zip(layers, names, strict=True):
        x = states[name][torch.from_numpy(tokens.keep)]
        mean = x.mean(0)
        _, _, directions = torch.linalg.svd(x - mean, full_matrices=False)
        d = x.shape[1]
        both = torch.cat([directions, -directions])
        mixed = torch.randn((WIDER - 2) * d, d, generator=generator)
        rows = torch.cat([both, 0.5 * mixed / mixed.norm(dim=1, keepdim=True)]).contiguous()
        place = folder / f"blocks.{layer}.hook_resid_post"
        place.mkdir(parents=True)
        weights = {
            "W_enc": rows.T.contiguous(),
            "W_dec": rows,
            "b_enc": torch.zeros(len(rows)),
            "b_dec": mean,
        }
        save_file({k: v.contiguous() for k, v in weights.items()}, place / "sae_weights.safetensors")
        config = {
            "architecture": "topk", "k": K, "d_in": d, "d_sae": len(rows), "dtype": "float32",
            "normalize_activations": "none", "apply_b_dec_to_input": True,
            "metadata": {"hook_name": f"blocks.{layer}.hook_resid_post"},
        }  # fmt: skip
        (place / "cfg.json").write_text(json.dumps(config))


def watch(clock: Clock) -> Callable[..., Any]:
    """Put the clock on what a run is made of; returns `compare`."""
    import importlib

    import congruence.models.load as loading
    from congruence import doctor
    from congruence.run import compare
    from congruence.saes import Sae

    run = importlib.import_module("congruence.run.compare").__dict__
    loading.StoredModel.module = clock.timed("load the model", loading.StoredModel.module)
    LanguageModel.capture = clock.timed("forward passes", LanguageModel.capture)
    Sae.encode_csr = clock.timed("encode", Sae.encode_csr)
    doctor.preflight = clock.timed("preflight", doctor.preflight)
    for name, part in (
        ("open_sides", "open the SAEs"), ("read_text", "read and tokenize the text"),
        ("run_cells", "layer pairs"),
    ):  # fmt: skip
        run[name] = clock.timed(part, run[name])
    return clock.timed("everything else (writing shards, tables)", compare)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--random-llama", action="store_true")
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 3, 5])
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--max-tokens", type=int, default=256)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        model = random_llama(base / "llama") if given.random_llama else given.model
        make_saes(model, given.layers, base / "saes")
        side = {"model": str(model), "saes": str(base / "saes"), "layers": given.layers}
        clock = Clock()
        run = watch(clock)
        run(
            a=side, b=side,
            corpus={"path": str(TEXT), "documents": given.documents, "max_tokens": given.max_tokens},
            measures=["pc1_correlation"], null={"draws": 100}, out=base / "out", progress=False, force=True,
        )  # fmt: skip
        total = sum(clock.cpu.values()), sum(clock.wall.values())
        print("| part | processor s | wall s | share of the processor | calls |\n|---|---|---|---|---|")
        for part, cpu in sorted(clock.cpu.items(), key=lambda item: -item[1]):
            share = f"{100 * cpu / total[0]:.1f} %"
            print(f"| {part} | {cpu:.2f} | {clock.wall[part]:.2f} | {share} | {clock.calls[part]} |")
        print(f"| all | {total[0]:.2f} | {total[1]:.2f} | 100 % | |")


if __name__ == "__main__":
    main()
