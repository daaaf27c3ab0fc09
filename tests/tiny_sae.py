"""The least that is an SAE to `congruence.activations`."""

import torch
from scipy import sparse


class TinySae:
    """Top-k of a random encoder: what `capture_features` asks of an SAE."""

    def __init__(self, seed=0, d_in=32, d_sae=48, k=4):
        generator = torch.Generator().manual_seed(seed)
        self.W_enc = torch.randn(d_in, d_sae, generator=generator)
        self.d_in, self.d_sae, self.k, self.path = d_in, d_sae, k, None

    def pre_activation(self, x):
        return x @ self.W_enc

    def encode(self, x):
        values, features = self.pre_activation(x).topk(self.k, dim=-1)
        return torch.zeros(len(x), self.d_sae).scatter(1, features, values.relu())

    def encode_csr(self, x):
        return sparse.csr_array(self.encode(x).numpy())
