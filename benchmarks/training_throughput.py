"""SAEs trained by train-sae beside sae-lens' own runners and dictionary_learning, on the same work.

    pip install -e '.[train]' dictionary-learning 'nnsight<0.4'    # what isn't there is left out
    python benchmarks/training_throughput.py --model MODEL --text stories.txt
    python benchmarks/training_throughput.py --model MODEL --text stories.txt --layers 3 --seeds 1 --steps 150

TopK SAEs of some layers and seeds of a model of a Llama's layout, each of so many steps of 2,048 tokens from
--documents texts cut to 128 tokens, however often that goes through them; float32, all cores. Each contender
does all of it in a process of its own, from loading the model to stored SAEs: train-sae with
its held-out figures and checkpoints, sae-lens by `MultiSAETrainingRunner` (all SAEs on one stream),
dictionary_learning by `trainSAE` (the seeds of a layer on one stream, layer after layer) over nnsight. Whole
seconds, processor seconds, tokens that went through the model (padding included), and the fraction of
variance that the SAEs leave unexplained on the same held-out texts.
"""

import argparse
import importlib.util
import logging
import multiprocessing
import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch

BATCH, LENGTH, K, EXPANSION, RATE = 2048, 128, 16, 8, 1e-3
HELD_OUT = 200
Work = dict[str, Any]
Linear = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""W_enc (d_in, d_sae), b_enc, W_dec, b_dec of a TopK SAE that takes b_dec off its input."""


def ours(work: Work, folder: Path) -> dict[tuple[int, int], Linear]:
    from congruence.saes import load_sae
    from congruence.training.config import parse_training_config
    from congruence.training.sessions import train_saes

    raw = {
        "model": work["model"],
        "corpus": {"path": work["text"], "documents": work["documents"] + HELD_OUT, "max_tokens": LENGTH},
        "held_out_documents": HELD_OUT,
        "layers": work["layers"],
        "seeds": list(range(work["seeds"])),
        "sae": {"k": K, "expansion": EXPANSION},
        "training": {
            "steps": work["steps"], "batch": BATCH, "learning_rate": RATE, "mixed_precision": work["half"],
        },
    }  # fmt: skip
    found = {}
    for one in train_saes(parse_training_config(raw), folder):
        sae = load_sae(one.path)
        parts = (sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec)
        found[one.hook.layer, one.seed] = tuple(part.numpy() for part in parts)
    return found


def sae_lens(work: Work, folder: Path) -> dict[tuple[int, int], Linear]:
    from datasets import Dataset
    from sae_lens.config import LoggingConfig
    from sae_lens.multi_sae_training_runner import MultiSAETrainingRunner, MultiSAETrainingRunnerConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAEConfig

    width = model_width(work["model"])
    names = {(layer, seed): f"{layer}-{seed}" for layer in work["layers"] for seed in range(work["seeds"])}
    texts = texts_of(work)[0]
    config = MultiSAETrainingRunnerConfig(
        saes={
            name: TopKTrainingSAEConfig(
                d_in=width, d_sae=EXPANSION * width, k=K, rescale_acts_by_decoder_norm=True
            )
            for name in names.values()
        },
        hook_names={name: f"model.layers.{layer}" for (layer, _), name in names.items()},
        model_name=work["model"],
        model_class_name="AutoModelForCausalLM",
        context_size=LENGTH,
        training_tokens=work["steps"] * BATCH,
        train_batch_size_tokens=BATCH,
        store_batch_size_prompts=64,
        n_batches_in_buffer=512,
        lr=RATE,
        autocast=work["half"],
        streaming=False,
        logger=LoggingConfig(log_to_wandb=False),
        checkpoint_path=None,
        output_path=str(folder),
    )
    saes = MultiSAETrainingRunner(config, override_dataset=Dataset.from_dict({"text": texts})).run()
    found = {}
    for place, name in names.items():
        sae = saes[name]
        norm = sae.W_dec.norm(dim=-1)
        parts = (sae.W_enc * norm, sae.b_enc * norm, sae.W_dec / norm[:, None], sae.b_dec)
        found[place] = tuple(part.detach().numpy() for part in parts)
    return found


def dictionary_learning(work: Work, folder: Path) -> dict[tuple[int, int], Linear]:
    from dictionary_learning.buffer import ActivationBuffer
    from dictionary_learning.trainers.top_k import TopKTrainer
    from dictionary_learning.training import trainSAE
    from nnsight import LanguageModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(work["model"])
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    module = AutoModelForCausalLM.from_pretrained(work["model"], dtype=torch.float32)
    model, width, found = LanguageModel(module, tokenizer=tokenizer), module.config.hidden_size, {}
    for layer in work["layers"]:
        buffer = ActivationBuffer(
            cycle(texts_of(work)[0]), model, model.model.layers[layer], d_submodule=width, n_ctxs=512,
            ctx_len=LENGTH, refresh_batch_size=64, out_batch_size=BATCH,
        )  # fmt: skip
        trainers = [
            {
                "trainer": TopKTrainer, "steps": work["steps"], "activation_dim": width, "k": K,
                "dict_size": EXPANSION * width, "layer": layer, "lm_name": "model", "lr": RATE,
                "warmup_steps": 1, "seed": seed, "device": "cpu",
            }
            for seed in range(work["seeds"])
        ]  # fmt: skip
        trainSAE(buffer, trainers, work["steps"], save_dir=str(folder / str(layer)), device="cpu")
        for seed in range(work["seeds"]):
            state = torch.load(folder / str(layer) / f"trainer_{seed}" / "ae.pt")
            parts = (
                state["encoder.weight"].T,
                state["encoder.bias"],
                state["decoder.weight"].T,
                state["b_dec"],
            )
            found[layer, seed] = tuple(part.numpy() for part in parts)
    return found


CONTENDERS: dict[str, tuple[Callable[[Work, Path], dict[tuple[int, int], Linear]], str]] = {
    "train-sae": (ours, "sae_lens"),
    "sae-lens": (sae_lens, "sae_lens"),
    "dictionary_learning": (dictionary_learning, "dictionary_learning"),
}


def texts_of(work: Work) -> tuple[list[str], list[str]]:
    """Texts to train on and texts held out, as train-sae splits them."""
    texts = [one.strip() for one in Path(work["text"]).read_text(encoding="utf-8").split("<|endoftext|>")]
    texts = [one for one in texts if one][: work["documents"] + HELD_OUT]
    return texts[:-HELD_OUT], texts[-HELD_OUT:]


def model_width(model: str) -> int:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(model).hidden_size


def one_process(contender: str, work: Work, out: Any) -> None:
    """Do the work; send seconds, processor seconds, positions run and the SAEs."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    positions = [0]

    def count(module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        if isinstance(module, torch.nn.Embedding):
            positions[0] += given[0].numel()

    torch.nn.modules.module.register_module_forward_pre_hook(count)
    with tempfile.TemporaryDirectory() as folder:
        start, before = time.perf_counter(), processor_seconds()
        saes = CONTENDERS[contender][0](work, Path(folder))
        out.put((time.perf_counter() - start, processor_seconds() - before, positions[0], saes))


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def unexplained(work: Work, saes: dict[tuple[int, int], Linear]) -> float:
    """Mean over the SAEs of Σ‖x - x̂‖² / Σ‖x - mean‖² on the held-out texts."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(work["model"])
    model = AutoModelForCausalLM.from_pretrained(work["model"], dtype=torch.float32).eval()
    states: dict[int, list[torch.Tensor]] = {layer: [] for layer in work["layers"]}
    for text in texts_of(work)[1]:
        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=LENGTH).input_ids
        with torch.no_grad():
            hidden = model(ids, output_hidden_states=True).hidden_states
        for layer, kept in states.items():
            kept.append(hidden[layer + 1][0, 1:])  # train-sae leaves BOS out
    shares = []
    for (layer, _), parts in saes.items():
        W_enc, b_enc, W_dec, b_dec = map(torch.from_numpy, parts)
        x = torch.cat(states[layer])
        pre = torch.relu((x - b_dec) @ W_enc + b_enc)
        best = pre.topk(K, dim=-1)
        rest = x - torch.zeros_like(pre).scatter(-1, best.indices, best.values) @ W_dec - b_dec
        shares.append(float(rest.pow(2).sum() / (x - x.mean(0)).pow(2).sum()))
    return float(np.mean(shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a model with model.layers")
    parser.add_argument("--text", required=True, help="texts, <|endoftext|> between them")
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 3, 5])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument(
        "--half",
        action="store_true",
        help="bfloat16 products; not of dictionary_learning",
    )
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    given = parser.parse_args()
    work = {**vars(given), "model": str(Path(given.model).absolute())}
    many = len(given.layers) * given.seeds
    print(f"SAEs: {many}, {given.steps} steps of {BATCH:,} tokens each, {given.documents:,} texts\n")
    print("| | s | processor s | steps / s | tokens through the model | FVU |")
    print("|---|---|---|---|---|---|")
    spawn = multiprocessing.get_context("spawn")
    for name in given.only:
        if importlib.util.find_spec(CONTENDERS[name][1]) is None:
            continue
        out = spawn.Queue()
        process = spawn.Process(target=one_process, args=(name, work, out))
        process.start()
        while process.is_alive() and out.empty():
            time.sleep(0.2)
        if out.empty():
            print(f"| {name} | failed | | | | |", flush=True)
            continue
        seconds, processor, positions, saes = out.get()
        process.join()
        rate = many * given.steps / seconds
        told = (
            f"{seconds:.1f} | {processor:.1f} | {rate:.1f} | {positions:,} | {unexplained(work, saes):.3f} |"
        )
        print(f"| {name} | {told}", flush=True)


if __name__ == "__main__":
    main()
