"""What turns `input @ W_enc` and `b_enc` into feature activations: one frozen record for each rule.

Every rule has a dense form (`rule(linear, b_enc)`) and a sparse one (`rule.sparse(...)`), which gives the
same numbers as (row, feature, value) triplets, so that TopK never scatters into a dense matrix.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor

from congruence.errors import SaeError

Rule = TypeVar("Rule", bound="Activation")


class Triplets(NamedTuple):
    """Non-zero activations of a batch, in row order."""

    row: Tensor
    feature: Tensor
    value: Tensor


@dataclass(frozen=True, eq=False)
class Activation(ABC):
    """A rule, frozen with its tensors as fields."""

    name: ClassVar[str]
    compares_features: ClassVar[bool] = False
    """Whether features compete: then rescaling each by its own factor would change which ones fire."""
    reads_input: ClassVar[bool] = False
    """Whether `linear` is the input itself, (n, d_in), because no single product decides."""

    @property
    def takes_parts(self) -> bool:
        """Whether it can be applied to some features after others: see `congruence.saes.encoding`."""
        return False

    def pre_activation(self, linear: Tensor, b_enc: Tensor) -> Tensor:
        """The value that is kept where a feature fires."""
        return linear + b_enc

    @abstractmethod
    def __call__(self, linear: Tensor, b_enc: Tensor) -> Tensor:
        """Feature activations (n, d_sae) from `linear` = input @ W_enc (n, d_sae)."""

    @abstractmethod
    def sparse(self, linear: Tensor, b_enc: Tensor) -> Triplets:
        """The non-zeros of :meth:`__call__`."""

    def scaled(self: Rule, norm: Tensor) -> Rule:
        """The rule whose output is `norm` times this one's when its inputs are `norm` times as large."""
        return self

    def to(self: Rule, device: Any = None, dtype: torch.dtype | None = None) -> Rule:
        """The rule with its tensors moved and cast."""
        tensors = {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}
        return replace(
            self, **{name: value.to(device=device, dtype=dtype) for name, value in tensors.items()}
        )


class Separate(Activation):
    """A rule that each feature is under by itself."""

    @property
    def takes_parts(self) -> bool:
        return True

    @abstractmethod
    def floored(self, linear: Tensor, b_enc: Tensor) -> tuple[Tensor, Tensor]:
        """Values, and a floor for each feature or for all: what isn't at most that fires with its value.

        So NaN counts as firing, and is seen.
        """

    def part(self: Rule, features: slice) -> Rule:
        """The rule of some of the features."""
        tensors = {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}
        return replace(self, **{name: value[features] for name, value in tensors.items() if value.ndim})

    def __call__(self, linear: Tensor, b_enc: Tensor) -> Tensor:
        values, floor = self.floored(linear, b_enc)
        return values.masked_fill(values <= floor, 0.0)

    def sparse(self, linear: Tensor, b_enc: Tensor) -> Triplets:
        values, floor = self.floored(linear, b_enc)
        row, feature = torch.nonzero((values <= floor).logical_not_(), as_tuple=True)
        return Triplets(row, feature, values[row, feature])


class _Competing(Activation):
    """A rule that keeps a fixed number of candidates a token."""

    compares_features = True

    @abstractmethod
    def winners(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        """Values and feature indices (n, k) of the candidates of each token."""

    def __call__(self, linear: Tensor, b_enc: Tensor) -> Tensor:
        values, features = self.winners(self.pre_activation(linear, b_enc))
        return torch.zeros_like(linear).scatter_(-1, features, values)

    def sparse(self, linear: Tensor, b_enc: Tensor) -> Triplets:
        return fired(*self.winners(self.pre_activation(linear, b_enc)))


def fired(values: Tensor, features: Tensor) -> Triplets:
    """Candidates that aren't 0."""
    row, column = torch.nonzero(values, as_tuple=True)
    return Triplets(row, features[row, column], values[row, column])


@dataclass(frozen=True, eq=False)
class ReLU(Separate):
    """max(pre, 0)."""

    name = "relu"

    def floored(self, linear: Tensor, b_enc: Tensor) -> tuple[Tensor, Tensor]:
        return linear + b_enc, b_enc.new_zeros(())


@dataclass(frozen=True, eq=False)
class TopK(_Competing):
    """The k largest pre-activations of each token, then ReLU unless `relu` is off.

    Where several tie for the last place, the sparse form on a CPU takes the first, the dense form and other
    devices what torch.topk takes.

    Attributes:
        weight: (d_sae,) what features are multiplied by to be compared; their values stay as they are.
    """

    k: int
    relu: bool = True
    weight: Tensor | None = None

    name = "topk"

    @property
    def takes_parts(self) -> bool:
        return type(self) is TopK and self.weight is None and self.k > 0

    def sparse(self, linear: Tensor, b_enc: Tensor) -> Triplets:
        k = min(self.k, linear.shape[-1])
        plain = self.takes_parts and b_enc.dtype == linear.dtype == torch.float32
        if not plain or linear.device.type != "cpu" or k < 1 or linear.ndim != 2:
            return super().sparse(linear, b_enc)
        from congruence.saes.largest import k_largest

        found = k_largest(linear.detach().contiguous().numpy(), b_enc.detach().contiguous().numpy(), k)
        values, features = map(torch.from_numpy, found)
        return fired(torch.relu(values) if self.relu else values, features)

    def winners(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        compared = pre if self.weight is None else pre * self.weight
        values, features = torch.topk(compared, min(self.k, pre.shape[-1]), dim=-1, sorted=False)
        if self.weight is not None:
            values = pre.gather(-1, features)
        return (torch.relu(values) if self.relu else values), features

    def scaled(self, norm: Tensor) -> "TopK":
        return self if self.weight is None else replace(self, weight=self.weight / norm)


@dataclass(frozen=True, eq=False)
class AbsTopK(TopK):
    """The k pre-activations of each token that are largest in magnitude, with their signs (SAELens)."""

    name = "abstopk"

    def winners(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        _, features = torch.topk(pre.abs(), min(self.k, pre.shape[-1]), dim=-1, sorted=False)
        return pre.gather(-1, features), features


@dataclass(frozen=True, eq=False)
class MatchingPursuit(Activation):
    """Features are taken one after another, each the one that most of what is left points to.

    r = x; repeatedly f = argmax r · atoms_f, v = max(r · atoms_f, 0), a_f += v, r -= v · atoms_f, until
    a token's set of firing features stays the same, its ‖r‖ is below a threshold, or `most_steps` are made.

    Attributes:
        atoms: (d_sae, d_in) decoder rows, which are the encoder as well.
        residual_threshold: ‖r‖ below which a token is done; 0 for none.
        most_steps: features taken at most.
        stop_on_same_support: whether a step that brings no new feature ends a token.
    """

    atoms: Tensor
    residual_threshold: float = 1e-2
    most_steps: int = 100
    stop_on_same_support: bool = True

    name = "matching_pursuit"
    compares_features = True
    reads_input = True

    def pre_activation(self, linear: Tensor, b_enc: Tensor) -> Tensor:
        raise SaeError("a matching pursuit SAE has no pre-activations: use activations: encode")

    def __call__(self, linear: Tensor, b_enc: Tensor) -> Tensor:
        shape, rest = linear.shape, linear.reshape(-1, linear.shape[-1]).clone()
        acts = rest.new_zeros(len(rest), len(self.atoms))
        open_ = torch.arange(len(rest), device=rest.device)
        for _ in range(self.most_steps):
            if not len(open_):
                break
            left = rest[open_]
            feature = (left @ self.atoms.T).relu().max(dim=-1).indices
            chosen = self.atoms[feature]
            value = (left * chosen).sum(dim=-1).relu()
            before = acts[open_, feature]
            acts[open_, feature] = before + value
            rest[open_] = left - value[:, None] * chosen
            done = torch.zeros_like(value, dtype=torch.bool)
            if self.stop_on_same_support:
                done |= (before != 0) == (before + value != 0)
            if self.residual_threshold > 0:
                done |= rest[open_].norm(dim=-1) < self.residual_threshold
            open_ = open_[~done]
        return acts.reshape(*shape[:-1], len(self.atoms))

    def sparse(self, linear: Tensor, b_enc: Tensor) -> Triplets:
        acts = self(linear, b_enc)
        row, feature = torch.nonzero(acts, as_tuple=True)
        return Triplets(row, feature, acts[row, feature])


@dataclass(frozen=True, eq=False)
class GroupMax(_Competing):
    """Features in k equal groups of neighbours; the largest of each group fires, after ReLU."""

    k: int

    name = "groupmax"

    def winners(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        d_sae = pre.shape[-1]
        if self.k < 1 or d_sae % self.k:
            raise SaeError(f"groupmax with k={self.k} can't divide {d_sae} features: k must divide d_sae")
        values, inside = torch.relu(pre).unflatten(-1, (self.k, -1)).max(dim=-1)
        return values, inside + torch.arange(0, d_sae, d_sae // self.k, device=pre.device)


@dataclass(frozen=True, eq=False)
class JumpReLU(Separate):
    """ReLU(pre) where pre > threshold, else 0; `threshold` is (d_sae,) or a scalar tensor."""

    threshold: Tensor

    name = "jumprelu"

    def floored(self, linear: Tensor, b_enc: Tensor) -> tuple[Tensor, Tensor]:
        return linear + b_enc, self.threshold.clamp(min=0)

    def scaled(self, norm: Tensor) -> "JumpReLU":
        return replace(self, threshold=self.threshold * norm)


@dataclass(frozen=True, eq=False)
class Gated(Separate):
    """ReLU(exp(r_mag) · linear + b_mag) where linear + b_gate > 0; b_mag is the SAE's `b_enc`."""

    r_mag: Tensor
    b_gate: Tensor

    name = "gated"

    def pre_activation(self, linear: Tensor, b_enc: Tensor) -> Tensor:
        return linear * self.r_mag.exp() + b_enc

    def floored(self, linear: Tensor, b_enc: Tensor) -> tuple[Tensor, Tensor]:
        pre = self.pre_activation(linear, b_enc)
        return pre.masked_fill(linear + self.b_gate <= 0, 0.0), b_enc.new_zeros(())

    def scaled(self, norm: Tensor) -> "Gated":
        return replace(self, b_gate=self.b_gate * norm)
