"""Write tiny SAEs with their original libraries, and what those libraries compute with them.

Each case is a folder `<library>/<case>/` with the files as the library writes them and `expected.npz`: inputs
`x`, feature activations `acts` and output `out`, all float32, by the library's own code on random weights,
biases and thresholds.

    pip install torch sae-lens==6.54.0 eai-sparsify==1.3.3 dictionary-learning==0.1.0
    python tests/golden/saes/make_goldens.py
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
D_IN, D_SAE, TOKENS = 8, 24, 40
HOOK = "blocks.3.hook_resid_post"


@torch.no_grad()
def randomize(module: nn.Module, seed: int) -> nn.Module:
    """Every parameter and buffer that has a size drawn anew, thresholds positive."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        drawn = 0.5 * torch.randn(parameter.shape, generator=generator)
        parameter.copy_(drawn.abs() if "threshold" in name else drawn)
    return module


def inputs(width: int = D_IN, seed: int = 99) -> torch.Tensor:
    return 0.7 + torch.randn(TOKENS, width, generator=torch.Generator().manual_seed(seed))


def store(folder: Path, x: torch.Tensor, acts: torch.Tensor, out: torch.Tensor) -> None:
    arrays = {"x": x, "acts": acts, "out": out}
    np.savez_compressed(folder / "expected.npz", **{k: v.detach().float().numpy() for k, v in arrays.items()})


def saelens_cases() -> Iterator[tuple[str, Callable[[Path, int], None]]]:
    import sae_lens as sl
    from sae_lens.saes import transcoder as tc

    cross = {"d_out": 6, "apply_b_dec_to_input": False}
    constant_norm = {"k": 5, "normalize_activations": "constant_norm_rescale"}
    plain = {
        "standard": (sl.StandardSAE, sl.StandardSAEConfig, {}),
        "topk": (sl.TopKSAE, sl.TopKSAEConfig, {"k": 5}),
        "topk_rescaled": (sl.TopKSAE, sl.TopKSAEConfig, {"k": 5, "rescale_acts_by_decoder_norm": True}),
        "jumprelu": (sl.JumpReLUSAE, sl.JumpReLUSAEConfig, {}),
        "jumprelu_raw_input": (sl.JumpReLUSAE, sl.JumpReLUSAEConfig, {"apply_b_dec_to_input": False}),
        "gated": (sl.GatedSAE, sl.GatedSAEConfig, {}),
        "layer_norm": (sl.StandardSAE, sl.StandardSAEConfig, {"normalize_activations": "layer_norm"}),
        "constant_norm": (sl.TopKSAE, sl.TopKSAEConfig, constant_norm),
        "transcoder": (tc.Transcoder, tc.TranscoderConfig, cross),
        "skip_transcoder": (tc.SkipTranscoder, tc.SkipTranscoderConfig, cross),
        "jumprelu_skip_transcoder": (tc.JumpReLUSkipTranscoder, tc.JumpReLUSkipTranscoderConfig, cross),
    }
    for name, (sae_class, config_class, options) in plain.items():
        metadata = sl.saes.sae.SAEMetadata(hook_name=HOOK, model_name="tiny", prepend_bos=True)
        config = config_class(d_in=D_IN, d_sae=D_SAE, metadata=metadata, **options)
        yield name, lambda folder, seed, c=sae_class, k=config: _saelens(folder, randomize(c(k), seed))
    training = {
        "batchtopk": (sl.BatchTopKTrainingSAE, sl.BatchTopKTrainingSAEConfig, {"k": 4}),
        "matryoshka": (
            sl.MatryoshkaBatchTopKTrainingSAE,
            sl.MatryoshkaBatchTopKTrainingSAEConfig,
            {"k": 4, "matryoshka_widths": [8, 16, D_SAE]},
        ),
    }
    for name, (sae_class, config_class, options) in training.items():
        config = config_class(d_in=D_IN, d_sae=D_SAE, **options)
        for kind in ("inference", "checkpoint"):
            yield (
                f"{name}_{kind}",
                lambda folder, seed, c=sae_class, k=config, kind=kind: _saelens_training(
                    folder, randomize(c(k), seed), checkpoint=kind == "checkpoint"
                ),
            )
    old = {"d_in": D_IN, "d_sae": D_SAE, "dtype": "torch.float32", "hook_point": HOOK, "device": "cpu"}
    yield "before_6_standard", lambda folder, seed: _saelens_old(folder, seed, old)
    topk = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 5}, "apply_b_dec_to_input": False}
    yield "before_6_topk", lambda folder, seed: _saelens_old(folder, seed, old | topk)
    scaled = {"normalize_activations": "layer_norm", "finetuning_scaling_factor": False}
    yield "before_6_layer_norm", lambda folder, seed: _saelens_old(folder, seed, old | scaled, ones=True)


def _saelens(folder: Path, sae: nn.Module) -> None:
    sae.save_model(folder)
    x = inputs()
    store(folder, x, sae.encode(x), sae.forward(x))


def _saelens_training(folder: Path, sae: nn.Module, *, checkpoint: bool) -> None:
    """What a trainer's SAE computes at inference is what SAELens makes of its inference files."""
    import sae_lens as sl

    sae.topk_threshold = torch.tensor(0.4, dtype=torch.double)
    sae.save_inference_model(folder)
    loaded, x = sl.SAE.load_from_disk(folder), inputs()
    acts, out = loaded.encode(x), loaded.forward(x)
    if checkpoint:
        sae.save_model(folder)
    store(folder, x, acts, out)


def _saelens_old(folder: Path, seed: int, config: dict, *, ones: bool = False) -> None:
    """Files as versions before 6 wrote them, read by 6."""
    import sae_lens as sl
    from safetensors.torch import save_file

    sae = randomize(sl.StandardSAE(sl.StandardSAEConfig(d_in=D_IN, d_sae=D_SAE)), seed)
    extra = {"scaling_factor": torch.ones(D_SAE)} if ones else {}
    save_file(dict(sae.state_dict()) | extra, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(config))
    loaded, x = sl.SAE.load_from_disk(folder), inputs()
    store(folder, x, loaded.encode(x), loaded.forward(x))


def sparsify_cases() -> Iterator[tuple[str, Callable[[Path, int], None]]]:
    from sparsify import SparseCoderConfig

    configs = {
        "topk": ("layers.3", {"k": 5}),
        "groupmax": ("layers.3.mlp", {"k": 6, "activation": "groupmax"}),
        "num_latents": ("layers.3.attention", {"k": 5, "num_latents": 20, "normalize_decoder": False}),
        "multi_topk": ("layers.0", {"k": 5, "multi_topk": True}),
        "transcoder": ("layers.3.mlp", {"k": 5, "transcode": True}),
        "skip_transcoder": ("layers.3.mlp", {"k": 5, "transcode": True, "skip_connection": True}),
    }
    for name, (hook, options) in configs.items():
        config = SparseCoderConfig(expansion_factor=3, **options)
        yield name, lambda folder, seed, h=hook, c=config: _sparsify(folder, seed, h, c)


def _sparsify(folder: Path, seed: int, hook: str, config: object) -> None:
    from sparsify import SparseCoder

    sae = randomize(SparseCoder(D_IN, config), seed)
    sae.save_to_disk(folder / hook)
    x = inputs()
    top = sae.encode(x)
    acts = torch.zeros(TOKENS, sae.num_latents).scatter_(1, top.top_indices, top.top_acts)
    # forward() of a multi_topk SAE returns the output of 4k features, which only its training loss needs
    out = sae(x).sae_out if config.skip_connection else sae.decode(top.top_acts, top.top_indices)
    store(folder, x, acts, out)


def dictionary_learning_cases() -> Iterator[tuple[str, Callable[[Path, int], None]]]:
    from dictionary_learning import dictionary as dl
    from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE
    from dictionary_learning.trainers.top_k import AutoEncoderTopK

    makers = {
        "autoencoder": lambda: dl.AutoEncoder(D_IN, D_SAE),
        "autoencoder_new": lambda: dl.AutoEncoderNew(D_IN, D_SAE),
        "gated": lambda: dl.GatedAutoEncoder(D_IN, D_SAE),
        "topk": lambda: AutoEncoderTopK(D_IN, D_SAE, 5),
        "batchtopk": lambda: BatchTopKSAE(D_IN, D_SAE, 5),
        "batchtopk_unset": lambda: BatchTopKSAE(D_IN, D_SAE, 5),
        "jumprelu": lambda: dl.JumpReluAutoEncoder(D_IN, D_SAE),
        "matryoshka": lambda: MatryoshkaBatchTopKSAE(D_IN, D_SAE, 5, [8, 16]),
    }
    for name, make in makers.items():
        yield name, lambda folder, seed, n=name, m=make: _dictionary_learning(folder, randomize(m(), seed), n)


def _dictionary_learning(folder: Path, sae: nn.Module, name: str) -> None:
    buffers = dict(sae.named_buffers())
    if "threshold" in buffers and name != "batchtopk_unset":
        sae.threshold.fill_(0.4)
    trainer = {
        "dict_class": type(sae).__name__,
        "activation_dim": D_IN,
        "dict_size": D_SAE,
        "layer": 3,
        "lm_name": "EleutherAI/pythia-70m-deduped",
        "submodule_name": "resid_post_layer_3",
    }
    if "k" in buffers:
        trainer["k"] = int(sae.k)
    torch.save(sae.state_dict(), folder / "ae.pt")
    (folder / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": {"ctx_len": 128}}))
    x = inputs()
    store(folder, x, sae.encode(x), sae(x))


def main() -> None:
    libraries = {
        "saelens": saelens_cases,
        "sparsify": sparsify_cases,
        "dictionary_learning": dictionary_learning_cases,
    }
    for library, cases in libraries.items():
        shutil.rmtree(HERE / library, ignore_errors=True)
        for seed, (name, write) in enumerate(cases()):
            folder = HERE / library / name
            folder.mkdir(parents=True)
            with torch.no_grad():
                write(folder, seed)


if __name__ == "__main__":
    main()
