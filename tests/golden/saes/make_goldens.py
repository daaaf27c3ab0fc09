"""Write tiny SAEs with their original libraries, and what those libraries compute with them.

Each case is a folder `<library>/<case>/` with the files as the library writes them and `expected.npz`: inputs
`x`, feature activations `acts` and output `out`, all float32, by the library's own code on random weights,
biases and thresholds.

    pip install torch sae-lens==6.54.0 eai-sparsify==1.3.3 dictionary-learning==0.1.0
    python tests/golden/saes/make_goldens.py saelens sparsify dictionary_learning

The others want environments of their own: `pip install circuit-tracer==0.5.0`, `pip install llamascopium==2.0.0b34`
and the fork of dictionary_learning that has crosscoders (github.com/science-of-finetuning/dictionary_learning):

    python tests/golden/saes/make_goldens.py circuit_tracer
    python tests/golden/saes/make_goldens.py llamascopium
    python tests/golden/saes/make_goldens.py dictionary_learning_fork

Crosscoders have `x` (n, places, d) and `acts` (n, features), or (n, places, features).
"""

import json
import shutil
import sys
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
    from sae_lens.saes import matching_pursuit_sae as pursuit
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
    yield from _plain_saelens(plain)
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
    later = {
        "abstopk": (sl.AbsTopKSAE, sl.AbsTopKSAEConfig, {"k": 5}),
        "abstopk_rescaled": (
            sl.AbsTopKSAE,
            sl.AbsTopKSAEConfig,
            {"k": 5, "rescale_acts_by_decoder_norm": True},
        ),
        "matching_pursuit": (pursuit.MatchingPursuitSAE, pursuit.MatchingPursuitSAEConfig, {}),
        "matching_pursuit_few": (
            pursuit.MatchingPursuitSAE,
            pursuit.MatchingPursuitSAEConfig,
            {"max_iterations": 3, "residual_threshold": 1.5, "stop_on_duplicate_support": False},
        ),
    }
    yield from _plain_saelens(later)


def _plain_saelens(cases: dict) -> Iterator[tuple[str, Callable[[Path, int], None]]]:
    import sae_lens as sl

    for name, (sae_class, config_class, options) in cases.items():
        metadata = sl.saes.sae.SAEMetadata(hook_name=HOOK, model_name="tiny", prepend_bos=True)
        config = config_class(d_in=D_IN, d_sae=D_SAE, metadata=metadata, **options)
        yield name, lambda folder, seed, c=sae_class, k=config: _saelens(folder, randomize(c(k), seed))


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


def circuit_tracer_cases() -> Iterator[tuple[str, Callable[[Path, int], None]]]:
    from circuit_tracer.transcoder.activation_functions import JumpReLU, TopK
    from torch.nn.functional import relu

    def jump_relu(generator: torch.Generator, *shape: int) -> nn.Module:
        return JumpReLU(torch.randn(*shape, generator=generator).abs())

    kinds = {
        "relu": (lambda generator: relu, {}),
        "jump_relu": (lambda generator: jump_relu(generator, D_SAE), {}),
        "topk": (lambda generator: TopK(5), {"activation": "topk", "k": 5}),
        "skip": (lambda generator: relu, {"feature_input_hook": "ln2.hook_normalized"}),
    }
    for name, (make, config) in kinds.items():
        yield name, lambda folder, seed, n=name, m=make, c=config: _circuit_tracer(folder, seed, n, m, c)
    for name in ("clt_relu", "clt_jump_relu"):
        yield name, lambda folder, seed, n=name: _circuit_tracer_clt(folder, seed, n)


def _circuit_tracer_config(folder: Path, kind: str, more: dict) -> None:
    """The file that is written by hand for a set, in the form of the published ones."""
    config = {"model_name": "tiny", "model_kind": kind, "feature_input_hook": "mlp.hook_in"}
    config |= {"feature_output_hook": "mlp.hook_out", "scan": "tiny"} | more
    text = "".join(f"{name}: {value}\n" for name, value in config.items())
    (folder / "config.yaml").write_text(text, encoding="utf-8")


def _circuit_tracer(folder: Path, seed: int, name: str, make: Callable, config: dict) -> None:
    from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, TranscoderSet

    generator = torch.Generator().manual_seed(seed)
    options = {"skip_connection": name == "skip", "dtype": torch.float32, "device": torch.device("cpu")}
    layers = {
        layer: randomize(SingleLayerTranscoder(D_IN, D_SAE, make(generator), layer, **options), seed + layer)
        for layer in range(4)
    }
    whole = TranscoderSet(layers, "mlp.hook_in", "mlp.hook_out")
    whole.to_safetensors(str(folder))
    for layer in range(3):
        (folder / f"layer_{layer}.safetensors").unlink()
    _circuit_tracer_config(folder, "transcoder_set", config)
    x = inputs()
    store(folder, x, layers[3].encode(x), layers[3](x))


def _circuit_tracer_clt(folder: Path, seed: int, name: str) -> None:
    """Layer 1 of 3; `out` is what SAELens takes for it, the sum over all layers it writes to."""
    from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder, load_clt

    options = {"lazy_decoder": False, "dtype": torch.float32, "device": torch.device("cpu")}
    clt = CrossLayerTranscoder(3, D_SAE, D_IN, activation_function=name.removeprefix("clt_"), **options)
    randomize(clt, seed)
    clt.to_safetensors(str(folder))
    _circuit_tracer_config(folder, "cross_layer_transcoder", {"feature_input_hook": "hook_resid_mid"})
    loaded = load_clt(str(folder), device=torch.device("cpu"), dtype=torch.float32, lazy_decoder=False)
    x = inputs()
    acts = loaded.encode_layer(x, 1)
    store(folder, x, acts, torch.einsum("nf,fld->nd", acts, loaded.W_dec[1]) + loaded.b_dec[1])


def dictionary_learning_fork_cases() -> Iterator[tuple[str, Callable[[Path, int], None]]]:
    from dictionary_learning import dictionary as dl
    from dictionary_learning.dictionary import CodeNormalization

    generator = torch.Generator().manual_seed(7)
    shape = (2, D_IN)
    stats = {
        "activation_mean": torch.randn(shape, generator=generator),
        "activation_std": torch.rand(shape, generator=generator) + 0.5,
    }
    topk = {"k": 4, "norm_init_scale": 1.0}
    crosscoders = {
        "crosscoder": (dl.CrossCoder, {}),
        "crosscoder_of_3": (dl.CrossCoder, {"num_layers": 3}),
        **{
            f"batchtopk_crosscoder_{kind.name.lower()}": (
                dl.BatchTopKCrossCoder,
                topk | {"code_normalization": kind},
            )
            for kind in CodeNormalization
        },
        "batchtopk_crosscoder_normalised": (dl.BatchTopKCrossCoder, topk | stats | {"target_rms": 2.0}),
    }
    also_pushed = ("crosscoder", "batchtopk_crosscoder_decoupled", "batchtopk_crosscoder_normalised")
    for name, (kind, options) in crosscoders.items():
        for pushed in (False, True) if name in also_pushed else (False,):
            yield (
                name + ("_pushed" if pushed else ""),
                lambda folder, seed, k=kind, o=options, p=pushed: _fork_crosscoder(folder, seed, k, o, p),
            )
    one = {name: value[0].clone() for name, value in stats.items()}
    saes = {
        "autoencoder": (dl.AutoEncoder, {}),
        "gated": (dl.GatedAutoEncoder, {}),
        "batchtopk": (dl.BatchTopKSAE, {"k": 4}),
        "batchtopk_normalised": (dl.BatchTopKSAE, {"k": 4, "target_rms": 2.0} | one),
        "autoencoder_new": (dl.AutoEncoderNew, {}),
        "jumprelu": (dl.JumpReluAutoEncoder, {}),
    }
    for name, (kind, options) in saes.items():
        yield f"{name}_pushed", lambda folder, seed, k=kind, o=options: _fork_sae(folder, seed, k, o)


def _fork_crosscoder(folder: Path, seed: int, kind: type, options: dict, pushed: bool) -> None:
    places = options.get("num_layers", 2)
    options = {"num_layers": places} | options
    coder = randomize(kind(D_IN, D_SAE, **options), seed)
    if hasattr(coder, "threshold"):
        coder.threshold.fill_(2.5)
        if coder.threshold.ndim:
            coder.threshold[1] = 1.0
    if pushed:
        coder.save_pretrained(folder)
    else:
        torch.save(coder.state_dict(), folder / "model_final.pt")
        trainer = {"dict_class": kind.__name__, "activation_dim": D_IN, "dict_size": D_SAE, "layer": 3}
        (folder / "config.json").write_text(json.dumps({"trainer": trainer}))
    x = torch.stack([inputs(seed=99 + place) for place in range(places)], dim=1)
    store(folder, x, coder.encode(x), coder(x))


def _fork_sae(folder: Path, seed: int, kind: type, options: dict) -> None:
    sae = randomize(kind(D_IN, D_SAE, **options), seed)
    if "threshold" in dict(sae.named_buffers()):
        sae.threshold.fill_(0.4)
    sae.save_pretrained(folder)
    x = inputs()
    store(folder, x, sae.encode(x), sae(x))


def llamascopium_cases() -> Iterator[tuple[str, Callable[[Path, int], None]]]:
    hooks = ["blocks.3.hook_resid_post", "blocks.5.hook_resid_post", "blocks.7.hook_resid_post"]
    kinds = {
        "crosscoder_relu": {"act_fn": "relu"},
        "crosscoder_topk": {"act_fn": "topk", "top_k": 5},
        "crosscoder_jumprelu": {"act_fn": "jumprelu"},
        "crosscoder_scaled": {"act_fn": "jumprelu", "norm_activation": "dataset-wise"},
    }
    for name, options in kinds.items():
        yield name, lambda folder, seed, o=options: _llamascopium(folder, seed, hooks, o)


def _llamascopium(folder: Path, seed: int, hooks: list[str], options: dict) -> None:
    from llamascopium.models.crosscoder import Crosscoder, CrosscoderConfig

    config = CrosscoderConfig(
        **{
            "hook_points": hooks,
            "d_model": D_IN,
            "expansion_factor": D_SAE / D_IN,
            "norm_activation": "inference",
            "device": "cpu",
            "dtype": torch.float32,
        }
        | options
    )
    coder = randomize(Crosscoder(config), seed)
    if config.norm_activation == "dataset-wise":
        coder.set_dataset_average_activation_norm({hook: 2.0 + place for place, hook in enumerate(hooks)})
    if config.act_fn == "topk":
        coder.set_current_k(config.top_k)
    coder.save_pretrained(folder)
    (folder / "config.json").write_text(config.model_dump_json())
    x = torch.stack([inputs(seed=99 + place) for place in range(len(hooks))], dim=1)
    batch, factors = coder.normalize_activations(
        {hook: x[:, place] for place, hook in enumerate(hooks)}, return_scale_factor=True
    )
    acts = coder.encode(torch.stack([batch[hook] for hook in hooks], dim=1))
    out = coder.decode(acts) / torch.stack([factors[hook].reshape(-1)[:1] for hook in hooks], dim=0)
    store(folder, x, acts, out)


def main() -> None:
    libraries = {
        "saelens": saelens_cases,
        "sparsify": sparsify_cases,
        "dictionary_learning": dictionary_learning_cases,
        "circuit_tracer": circuit_tracer_cases,
        "dictionary_learning_fork": dictionary_learning_fork_cases,
        "llamascopium": llamascopium_cases,
    }
    for library in sys.argv[1:] or list(libraries):
        cases = libraries[library]
        shutil.rmtree(HERE / library, ignore_errors=True)
        for seed, (name, write) in enumerate(cases()):
            folder = HERE / library / name
            folder.mkdir(parents=True)
            with torch.no_grad():
                write(folder, seed)


if __name__ == "__main__":
    main()
