"""Write the tables of docs/demo-models.md from the assets and the build folder.

    python demo/figures.py --build demo/build --assets src/congruence/assets/demo --docs docs/demo-models.md

A table stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; everything else is left as it is.
"""

import argparse
import json
from pathlib import Path

import yaml
from feature_contexts import layer_contexts
from language_models import RECIPES, token_stream
from ngrams import ngram_losses
from tables import insert, table

from congruence.hook_names import hook_point
from congruence.models import load_corpus, load_model, tokenize

LABELS = Path(__file__).parent / "labels.yaml"


def losses(build: Path, assets: Path) -> str:
    """Held-out loss of the language models and of n-gram models on the same tokens."""
    record = json.loads((assets / "demo.json").read_text())["language_models"]
    rows = [
        [
            f"{size} (width {figures['recipe']['width']}, {figures['recipe']['layers']} layers)",
            f"{figures['non_embedding_parameters']:,}",
            f"{figures['parameters']:,}",
            f"**{figures['held_out_loss']:.3f}**",
        ]
        for size, figures in record.items()
    ]
    for ngram in ngram_losses(token_stream(build, "train"), token_stream(build, "validation")):
        rows.append([f"{ngram.name} ({ngram.setting})", "", "", f"{ngram.loss:.3f}"])
    return table(["model", "non-embedding parameters", "parameters", "loss, nats a token"], rows)


def saes(assets: Path) -> str:
    """Figures of every SAE."""
    record = json.loads((assets / "demo.json").read_text())["saes"]
    rows = []
    for place, quality in record.items():
        _, name, hook = place.split("/")
        features = json.loads((assets / place / "cfg.json").read_text())
        rows.append(
            [
                name,
                str(hook_point(hook).layer),
                str(features.get("d_sae") or features.get("num_latents")),
                f"{quality['fvu']:.3f}",
                f"{quality['l0']:.1f}",
                f"{quality['dead_share']:.1%}",
                f"{quality['max_firing_rate']:.0%}",
            ]
        )
    return table(["SAEs", "layer", "features", "FVU", "L0", "dead", "busiest feature fires on"], rows)


def features(assets: Path) -> str:
    """The drawn features of every layer with their contexts and what a person made of them."""
    labels = yaml.safe_load(LABELS.read_text(encoding="utf-8")) if LABELS.exists() else {}
    corpus = load_corpus(assets / "text" / "comparison.jsonl")
    rows = []
    for size in RECIPES:
        model = load_model(assets / size)
        tokens = tokenize(corpus, model.tokenizer, max_tokens=model.context or 256)
        folders = {str(hook_point(p.name)): p for p in sorted((assets / "saes" / size).iterdir())}
        for hook, drawn in layer_contexts(model, tokens, folders):
            for found in drawn:
                name = f"{size} {hook_point(hook).layer} #{found.feature}"
                label = labels.get(name, "")
                rows.append([name, f"{found.firing_rate:.2%}", label, "<br>".join(found.contexts)])
    return table(["model, layer, feature", "fires on", "what it looks like", "strongest contexts"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--docs", type=Path, required=True)
    arguments = parser.parse_args()
    page = arguments.docs.read_text(encoding="utf-8")
    page = insert(page, "losses", losses(arguments.build, arguments.assets))
    page = insert(page, "saes", saes(arguments.assets))
    page = insert(page, "features", features(arguments.assets))
    arguments.docs.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
