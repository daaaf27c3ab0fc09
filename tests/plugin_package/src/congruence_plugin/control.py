"""`shuffled_decoder`: the side's own SAEs, each writing another feature's vector."""

from dataclasses import replace

import torch

from congruence.rng import derive
from congruence.sides.side import Side
from congruence.sides.variants import VARIANTS, Variant


@VARIANTS.register("shuffled_decoder")
def shuffled_decoder(side: Side, seed: int) -> Variant:
    """Features fire as they do; their decoder rows are those of others."""
    saes = {}
    for layer, sae in side.saes.items():
        order = derive(seed, "shuffled_decoder", side.name, layer).permutation(sae.d_sae)
        saes[layer] = replace(sae, W_dec=sae.W_dec[torch.from_numpy(order)])
    return Variant(side.model, {layer: side.hook_name(layer) for layer in side.layers}, saes)
