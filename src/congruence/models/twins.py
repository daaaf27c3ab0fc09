"""Batches that go through a small model side by side, a thread each.

One operation of a small model takes a fraction of a millisecond. Shared out to threads it costs about as much
again to wake them and to wait for the slowest, and what isn't shared out (Python between the operations,
copies, writing) leaves them idle. So each of a few threads has a batch of its own. What a forward pass
changes in a model (hooks, tables of positions) is each thread's own; the weights are shared.
"""

import copy
import logging
import queue
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from congruence.models.language_model import LanguageModel
from congruence.threads import available_threads, side_by_side, torch_threads

if TYPE_CHECKING:
    import torch

S = TypeVar("S")
T = TypeVar("T")

log = logging.getLogger(__name__)

MOST = 2
"""Batches at a time."""
SMALL = 1 << 30
"""Bytes of weights up to which a model takes batches side by side: what they pass on is small, too."""


class Twins:
    """A model, and where it is small and on a CPU, copies of it that share its weights.

    Args:
        model: the model; it isn't loaded for this.
        most: batches at a time, each on its share of the threads; 1 where a batch's results are large.
    """

    def __init__(self, model: LanguageModel, most: int = MOST) -> None:
        self.model, self._most = model, most
        self._models: list[LanguageModel] = []

    def each(self, work: Callable[[LanguageModel, S], T], parts: Iterable[S]) -> Iterator[T]:
        """`work` of the model and each part, in order.

        Results are the same whichever copy a part goes through.
        """
        models = self._copies()
        if len(models) == 1:
            yield from (work(self.model, part) for part in parts)
            return
        free: queue.SimpleQueue[LanguageModel] = queue.SimpleQueue()
        for model in models:
            free.put(model)

        def one(part: S) -> T:
            model = free.get()
            try:
                return work(model, part)
            finally:
                free.put(model)

        with torch_threads(max(1, available_threads() // len(models))):
            yield from side_by_side(one, parts, most=len(models))

    def _copies(self) -> list[LanguageModel]:
        if not self._models:
            self._models = [self.model]
            if min(available_threads(), self._most) > 1 and _is_small(self.model):
                self._models += [twin for _ in range(self._most - 1) if (twin := _twin(self.model))]
        return self._models


def _is_small(model: LanguageModel) -> bool:
    tensors = list(_tensors(model))
    return all(t.device.type == "cpu" for t in tensors) and sum(t.nbytes for t in tensors) <= SMALL


def _twin(model: LanguageModel) -> LanguageModel | None:
    """The same model over the same weights; None where its class can't be copied."""
    shared = {id(tensor): tensor for tensor in _tensors(model)}
    try:
        return model.over(copy.deepcopy(model.module, shared))
    except Exception as error:  # whatever a class of somebody's own raises
        log.info("%s can't be copied (%s): one batch at a time", model.name, error)
        return None


def _tensors(model: LanguageModel) -> "Iterator[torch.Tensor]":
    return chain(model.module.parameters(), model.module.buffers())
