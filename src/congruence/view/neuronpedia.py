"""Pages of known SAEs' features on Neuronpedia."""

import re
from collections.abc import Mapping
from typing import Any

SITE = "https://www.neuronpedia.org"
KNOWN = (
    ("jbloom/GPT2-Small-SAEs-Reformatted", r"blocks\.(\d+)\.hook_resid_pre", "gpt2-small/{}-res-jb"),
    ("fnlp/Llama3_1-8B-Base-LXR-8x", r".*L(\d+)R-8x", "llama3.1-8b/{}-llamascope-res-32k"),
)
"""Repository, its entry, and where Neuronpedia keeps it; only those whose entries it holds one for one."""


def feature_page(sides: Mapping[str, Any], source: str, feature: int) -> str | None:
    """Address of a feature's page; None for SAEs that aren't known to be there.

    Args:
        sides: of run.json.
        source: the features' name in run.json, e.g. ``a/real/3``.
        feature: its number.
    """
    side, variant, layer = source.split("/")
    if variant != "real":
        return None
    told = (sides[side].get("saes") or {}).get(layer) or {}
    place, entry = str(told.get("source", "")), str(told.get("sae_id", ""))
    for repository, pattern, page in KNOWN:
        if place.removeprefix("hf://").startswith(repository) and (found := re.fullmatch(pattern, entry)):
            return f"{SITE}/{page.format(found[1])}/{feature}"
    return None
