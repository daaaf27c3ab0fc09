"""A made-up model as one that predicts tokens: a linear head that gives its features their effects."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from congruence.synthetic.world import SyntheticModel

if TYPE_CHECKING:
    from congruence.models import LanguageModel

_RIDGE = 1e-3


def unembedding_of(model: SyntheticModel) -> Float32[np.ndarray, "d v"]:
    """The head by which a made-up model's states have its features' effects.

    It is the ridge regression of effects on directions. With fewer features than dimensions each direction
    has its own effect, almost; with more, a part of the others' as well, as directions aren't orthogonal.
    """
    rows = model.W_dec.astype(np.float64)
    wanted = model.world.effects.logits(model.number, model.world.options.vocabulary)
    gram = rows @ rows.T
    gram += _RIDGE * np.eye(len(gram))
    return (rows.T @ np.linalg.solve(gram, wanted)).astype(np.float32)


def language_model(model: SyntheticModel) -> "LanguageModel":
    """A made-up model as one that predicts tokens, for what takes language models.

    Its input ids are the rows of the text: row t is embedded as the hidden state on token t, which passes
    through one block that changes nothing (hook ``blocks.0``) and is read by `unembedding_of`. So everything
    after the hook is linear, and no token sees another.

    Args:
        model: of a world.
    """
    import torch
    from transformers import PretrainedConfig
    from transformers.modeling_outputs import CausalLMOutput

    from congruence.models import LanguageModel

    class Reader(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            shape: dict[str, Any] = {"hidden_size": model.width, "num_hidden_layers": 1}
            self.config = PretrainedConfig(**shape)
            states = torch.from_numpy(model.states())
            self.embed = torch.nn.Embedding.from_pretrained(states)
            self.blocks = torch.nn.ModuleList([torch.nn.Identity()])
            self.head = torch.nn.Linear(model.width, model.world.options.vocabulary, bias=False)
            self.head.weight = torch.nn.Parameter(torch.from_numpy(unembedding_of(model).T.copy()))

        def get_input_embeddings(self) -> torch.nn.Module:
            return self.embed

        def get_output_embeddings(self) -> torch.nn.Module:
            return self.head

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
        ) -> CausalLMOutput:
            return CausalLMOutput(logits=self.head(self.blocks[0](self.embed(input_ids))))

    name = f"model {model.number} of a made-up world"
    return LanguageModel.from_module(Reader(), None, name=name, key=f"{model.world.key}-{model.number}")
