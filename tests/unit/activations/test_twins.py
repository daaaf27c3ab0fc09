"""Batches that go through a model side by side give what they give one after another."""

import copy
import time

import numpy as np
import pytest
import torch

from congruence.models import Twins, batch_states, twins


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(twins, "available_threads", lambda: 2)
    monkeypatch.setattr("congruence.threads.available_threads", lambda: 2)


def test_states_are_the_same_side_by_side(model, tokens, two_threads):
    hooks = ["resid_post.0", "resid_post.2"]
    parts = [np.array([row % len(tokens.input_ids)]) for row in range(12)]
    used = []

    def states(one, rows):
        used.append(id(one.module))
        time.sleep(0.01)  # long enough for the other to begin one
        return batch_states(one, tokens, rows, hooks)

    together = list(Twins(model).each(states, parts))
    assert len(set(used)) == 2
    for rows, found in zip(parts, together, strict=True):
        alone = batch_states(model, tokens, rows, hooks)
        assert all(torch.equal(found[hook], alone[hook]) for hook in hooks)


def test_copies_share_weights_and_not_hooks(model, two_threads):
    one, other = Twins(model)._copies()
    assert one is model
    for mine, its in zip(one.module.parameters(), other.module.parameters(), strict=True):
        assert mine is its
    handle = one.module.register_forward_hook(lambda *_: None)
    assert not other.module._forward_hooks
    handle.remove()
    assert other.tokenizer is model.tokenizer


def test_what_cannot_be_copied_or_is_large_goes_alone(model, two_threads, monkeypatch, caplog):
    monkeypatch.setattr(twins, "SMALL", 0)
    assert len(Twins(model)._copies()) == 1
    monkeypatch.undo()
    monkeypatch.setattr(twins, "available_threads", lambda: 2)

    def refuses(*_):
        raise TypeError("not this one")

    monkeypatch.setattr(copy, "deepcopy", refuses)
    with caplog.at_level("INFO"):
        assert len(Twins(model)._copies()) == 1
    assert "not this one" in caplog.text


def test_a_failing_batch_is_raised_and_the_model_can_go_on(model, tokens, two_threads):
    both = Twins(model)

    def work(_, part):
        if part == 3:
            raise ValueError(part)
        return part

    with pytest.raises(ValueError, match="3"):
        list(both.each(work, range(9)))
    assert list(both.each(lambda _, part: part, range(5))) == list(range(5))
    assert torch.get_num_threads() >= 1
