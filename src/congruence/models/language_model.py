"""A language model as the rest of congruence sees it: token ids in, hidden states at hook points out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from congruence.errors import ModelError
from congruence.hook_names import HookPoint
from congruence.models.blocks import Tap, find_blocks
from congruence.models.hooks import is_path, named_point, resolve_hook, run_with_taps, text_config
from congruence.models.identities import require_identity

if TYPE_CHECKING:
    import torch
    from torch import nn


@runtime_checkable
class Opening(Protocol):
    """How a model and its tokenizer come into memory; each is asked for once."""

    def module(self) -> "nn.Module": ...

    def tokenizer(self) -> Any: ...


@dataclass(frozen=True)
class ModelShape:
    """What a run needs to know of a model before anything goes through it.

    Attributes:
        n_layers: transformer blocks.
        d_model: width of the residual stream; None where the configuration doesn't say.
        context: the most tokens a sequence may have; None where the configuration doesn't say.
    """

    n_layers: int
    d_model: int | None
    context: int | None


@dataclass(eq=False)
class LanguageModel:
    """A Hugging Face model with its tokenizer, and hooks on its blocks; each is loaded when first used.

    Attributes:
        name: what the user called it: a Hub id or the folder's name.
        key: content key: weights, configuration and tokenizer of a folder, id and commit of a Hub model,
            with dtype and quantization, which change the numbers.
        opening: loads the two.
    """

    name: str
    key: str
    opening: Opening = field(repr=False)
    _shown: "set[HookPoint]" = field(default_factory=set, init=False, repr=False)

    @classmethod
    def from_module(cls, module: "nn.Module", tokenizer: Any, *, name: str, key: str) -> "LanguageModel":
        """Wrap a model that is already in memory."""
        model = cls(name, key, _InMemory(module, tokenizer))
        _ = model.blocks  # a model without any is refused here
        return model

    def over(self, module: "nn.Module") -> "LanguageModel":
        """The same model over a copy of its module, with hook points that have been shown to be right."""
        model = LanguageModel(self.name, self.key, self.opening)
        model.module = module
        model._shown |= self._shown
        return model

    @cached_property
    def module(self) -> "nn.Module":
        """The model, in evaluation mode."""
        return self.opening.module().eval()

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.opening.tokenizer()

    @cached_property
    def blocks(self) -> "list[nn.Module]":
        """The transformer blocks, in order."""
        return find_blocks(self.module, getattr(self.config, "num_hidden_layers", None))

    @cached_property
    def shape(self) -> ModelShape:
        """Layers, width and context; where it is set, the model isn't loaded for them."""
        width = getattr(self.config, "hidden_size", None)
        return ModelShape(len(self.blocks), None if width is None else int(width), self._context())

    def let_go(self) -> None:
        """Forget the loaded module; it is loaded again when it is next used."""
        _ = self.shape if "module" in self.__dict__ else None
        for name in ("module", "blocks"):
            self.__dict__.pop(name, None)

    @property
    def config(self) -> Any:
        """The configuration of the text model."""
        return text_config(self.module)

    @property
    def n_layers(self) -> int:
        return self.shape.n_layers

    @property
    def d_model(self) -> int:
        width = self.shape.d_model
        return int(self.config.hidden_size) if width is None else width

    @property
    def context(self) -> int | None:
        """The most tokens a sequence may have; None where the configuration doesn't say."""
        return self.shape.context

    @property
    def device(self) -> "torch.device":
        """Where token ids go in."""
        return self._embeddings.weight.device

    @property
    def vocabulary(self) -> int:
        """How many token ids the embedding knows."""
        return int(self._embeddings.weight.shape[0])

    def taps(self, hook_name: str) -> tuple[Tap, ...]:
        """The places a hook name stands for, shown once on a few tokens to be what the name says.

        Raises:
            ModelError: the model has no such place, or what is there isn't that.
        """
        taps = resolve_hook(self.module, self.blocks, hook_name)
        if not is_path(self.module, hook_name):
            point = named_point(self.module, hook_name)
            if point not in self._shown:
                require_identity(self.module, self.blocks, point, self.name)
                self._shown.add(point)
        return taps

    def capture(
        self,
        input_ids: "torch.Tensor",
        attention_mask: "torch.Tensor | None",
        hook_names: Sequence[str],
    ) -> "dict[str, torch.Tensor]":
        """Hidden states at hook points, from one forward pass that ends after the last of them.

        Args:
            input_ids: (batch, seq) token ids, on any device.
            attention_mask: (batch, seq), non-zero where there is a token; None for no padding.
            hook_names: names in any dialect, or module paths.

        Returns:
            (batch, seq, d) by hook name, in the model's dtype.

        Raises:
            ModelError: a hook point isn't in the model, or the sequences don't fit it.
        """
        import torch

        taps = {name: self.taps(name) for name in hook_names}
        if not taps:
            return {}
        self._check_fits(input_ids)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        ids = input_ids.to(self.device, torch.long)
        return run_with_taps(self.module, ids, mask.to(self.device, torch.long), taps)

    def _context(self) -> int | None:
        positions = getattr(self.config, "max_position_embeddings", None)
        table = next(
            (m for name, m in self.module.named_modules() if name.endswith("position_embeddings")), None
        )
        padding = getattr(table, "padding_idx", None)  # RoBERTa counts positions from the one after padding's
        return positions if positions is None or padding is None else positions - padding - 1

    def _check_fits(self, input_ids: "torch.Tensor") -> None:
        length = input_ids.shape[1]
        if self.context is not None and length > self.context:
            raise ModelError(
                f"sequences of {length} tokens don't fit {self.name} (at most {self.context}): "
                "lower max_tokens"
            )
        highest = int(input_ids.max())
        if highest >= self.vocabulary:
            raise ModelError(
                f"token id {highest} isn't in {self.name}'s embedding ({self.vocabulary} rows): "
                "these tokens come from another tokenizer"
            )

    @property
    def _embeddings(self) -> Any:
        module: Any = self.module
        return module.get_input_embeddings()


@dataclass(frozen=True)
class _InMemory:
    """A model that needs no loading."""

    loaded: "nn.Module"
    its_tokenizer: Any

    def module(self) -> "nn.Module":
        return self.loaded

    def tokenizer(self) -> Any:
        return self.its_tokenizer
