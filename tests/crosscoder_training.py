"""A small crosscoder trained for real: the demo's small model and a sibling of it, read at one block.

python tests/crosscoder_training.py    writes tests/golden/crosscoder, which the tests read
"""

import json
from pathlib import Path

import torch

from congruence.models import load_corpus, load_model, tokenize
from congruence.models.streaming import hidden_states

ASSET = Path(__file__).parent / "golden" / "crosscoder"
LAYER, D_SAE, K, STEPS = 2, 160, 8, 800


def sibling(base: Path, folder: Path) -> Path:
    """A copy of a model whose matrices are noisy: another model that has its tokenizer, and most of its mind."""
    model = load_model(base)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.module.float().parameters():
            if weight.ndim == 2:
                weight.add_(0.1 * weight.std() * torch.randn(weight.shape, generator=generator))
    model.module.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


def states(models: list[Path], *, documents: int = 24) -> torch.Tensor:
    """(n, models, d) hidden states of the same tokens at the block."""
    found = []
    for path in models:
        model = load_model(path)
        tokens = tokenize(load_corpus(_text(models[0]), documents=documents), model.tokenizer, max_tokens=128)
        batches = hidden_states(model, tokens, [f"resid_post.{LAYER}"])
        found.append(torch.cat([batch[f"resid_post.{LAYER}"].float() for batch in batches]))
    return torch.stack(found, dim=1)


def train_crosscoder(x: torch.Tensor, folder: Path) -> Path:
    """A BatchTopK crosscoder of these states, as dictionary_learning lays it out."""
    generator = torch.Generator().manual_seed(0)
    x = x - (mean := x.mean(dim=0))
    scale = (x.shape[-1] ** 0.5) / x.norm(dim=-1).mean(dim=0)
    x = x * scale[:, None]
    _, places, d = x.shape
    decoder = torch.randn(places, D_SAE, d, generator=generator)
    decoder = (decoder / decoder.norm(dim=-1, keepdim=True)).requires_grad_()
    encoder = decoder.detach().transpose(1, 2).clone().requires_grad_()
    b_enc, b_dec = torch.zeros(D_SAE, requires_grad=True), torch.zeros(places, d, requires_grad=True)
    optimizer = torch.optim.Adam([decoder, encoder, b_enc, b_dec], lr=5e-3)
    least = 0.0
    for _ in range(STEPS):
        batch = x[torch.randint(len(x), (512,), generator=generator)]
        f = torch.relu(torch.einsum("nmd,mdf->nf", batch, encoder) + b_enc)
        weighed = f * decoder.norm(dim=-1).sum(dim=0)
        least = float(weighed.flatten().topk(K * len(batch)).values[-1].detach())
        f = f * (weighed >= least)
        loss = ((torch.einsum("nf,mfd->nmd", f, decoder) + b_dec - batch) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    state = {
        "encoder.weight": encoder * scale[:, None, None],
        "encoder.bias": b_enc - torch.einsum("md,mdf->f", mean * scale[:, None], encoder),
        "decoder.weight": decoder / scale[:, None, None],
        "decoder.bias": b_dec / scale[:, None] + mean,
        "code_normalization_id": torch.tensor(1),
        "k": torch.tensor(K),
    }
    # the threshold is compared with activations times the decoder norms of the file
    norms = state["decoder.weight"].norm(dim=-1).sum(dim=0) / decoder.norm(dim=-1).sum(dim=0)
    state["threshold"] = torch.tensor(least * float(norms.detach().mean()))
    folder.mkdir(parents=True, exist_ok=True)
    stored = {name: value.detach().clone() for name, value in state.items()}
    halved = {name: value.half() if value.ndim > 1 else value for name, value in stored.items()}
    torch.save(halved, folder / "model_final.pt")
    trainer = {"dict_class": "BatchTopKCrossCoder", "activation_dim": d, "dict_size": D_SAE, "layer": LAYER}
    (folder / "config.json").write_text(json.dumps({"trainer": trainer}))
    return folder


def _text(model: Path) -> Path:
    return model.parent / "text" / "comparison.jsonl"


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    from congruence.recipes.demo import demo_folder

    small = demo_folder() / "small"
    with TemporaryDirectory() as temporary:
        models = [small, sibling(small, Path(temporary) / "sibling")]
        train_crosscoder(states(models, documents=120), ASSET)
