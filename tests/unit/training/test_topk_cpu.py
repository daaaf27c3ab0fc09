"""The step of a TopK SAE on a CPU against sae-lens' own: the same loss, activations and gradients."""

import importlib.util

import pytest
import torch

from congruence.threads import at_most
from congruence.training import SaeSettings, TrainingSettings, make_trainer

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sae_lens") is None, reason="sae-lens isn't installed (extra train)"
)
D, F, K, N = 24, 160, 7, 100


def both(scale=0.3, **changes):
    """sae-lens' SAE and ours with the same weights, whose decoder rows have different norms."""
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig

    from congruence.training.topk_cpu import CpuTopK

    config = TopKTrainingSAEConfig(**{"d_in": D, "d_sae": F, "k": K} | changes)
    torch.manual_seed(0)
    theirs, ours = TopKTrainingSAE(config), CpuTopK(config)
    with torch.no_grad():
        for tensor in theirs.parameters():
            tensor.add_(scale * torch.randn_like(tensor))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def passed(sae, x, dead=None):
    from sae_lens.saes.sae import TrainStepInput

    out = sae.training_forward_pass(
        TrainStepInput(x, coefficients={}, dead_neuron_mask=dead, n_training_steps=3, is_logging_step=False)
    )
    out.loss.backward()
    return out


def dense(acts):
    return acts.to_dense() if acts.is_sparse else acts


def assert_same(theirs, ours, x, dead=None):
    one, other = passed(theirs, x, dead), passed(ours, x, dead)
    assert one.losses.keys() == other.losses.keys()
    for name in one.losses:
        torch.testing.assert_close(one.losses[name], other.losses[name], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(one.sae_out, other.sae_out, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(dense(one.feature_acts), dense(other.feature_acts), rtol=1e-4, atol=1e-5)
    gradients = dict(ours.named_parameters())
    for name, tensor in theirs.named_parameters():
        torch.testing.assert_close(
            tensor.grad, gradients[name].grad, rtol=1e-4, atol=1e-5 * float(tensor.grad.abs().max())
        )
    return other


def some_dead(count):
    return torch.zeros(F, dtype=torch.bool).index_fill(0, torch.randperm(F)[:count], True) if count else None


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("dead", [0, 5, 60, F])
def test_loss_activations_and_gradients_are_those_of_sae_lens(rescale, centred, dead):
    theirs, ours = both(rescale_acts_by_decoder_norm=rescale, apply_b_dec_to_input=centred)
    out = assert_same(theirs, ours, torch.randn(N, D), some_dead(dead))
    assert out.feature_acts.is_sparse
    assert (out.losses["auxiliary_reconstruction_loss"] > 0) == (dead > 0)


@pytest.mark.parametrize(
    "changes", [{"k": 1}, {"k": F // 8}, {"k": F // 8 + 1}, {"k": F}, {"d_in": 1}, {"d_sae": 2, "k": 2}]
)
def test_extreme_sizes(changes):
    theirs, ours = both(**changes)
    assert_same(theirs, ours, torch.randn(N, changes.get("d_in", D)))


def test_negative_winners_are_silent_and_teach_nothing():
    theirs, ours = both()
    for sae in (theirs, ours):
        sae.b_enc.data -= 3
    out = assert_same(theirs, ours, torch.randn(N, D))
    assert 0 < (dense(out.feature_acts) != 0).sum() < 0.9 * N * K


def test_one_token_and_features_that_never_win():
    theirs, ours = both()
    assert_same(theirs, ours, torch.randn(1, D))
    assert int((ours.b_enc.grad != 0).sum()) <= K


def test_what_is_asked_for_otherwise_goes_the_way_of_sae_lens():
    _, ours = both(k=F // 2)
    assert not passed(ours, torch.randn(N, D)).feature_acts.is_sparse
    _, ours = both(use_sparse_activations=True, rescale_acts_by_decoder_norm=False)
    assert ours._is_plain(torch.randn(N, D)) is False
    assert ours._is_plain(torch.randn(N, D).double()) is False


def test_a_decoder_that_is_frozen_gets_no_gradient():
    _, ours = both()
    ours.W_dec.requires_grad_(False)
    passed(ours, torch.randn(N, D))
    assert ours.W_dec.grad is None
    assert ours.W_enc.grad.abs().max() > 0


def test_the_number_of_threads_changes_nothing():
    found = []
    for threads in (1, 2, 3):
        _, ours = both()
        with at_most(threads):
            passed(ours, torch.randn(N, D, generator=torch.Generator().manual_seed(1)))
        found.append([tensor.grad.clone() for tensor in ours.parameters()])
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_bfloat16_decides_who_wins_and_float32_by_how_much():
    _, ours = both()
    x = torch.randn(N, D)
    exact = dense(passed(ours, x).feature_acts)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = dense(passed(ours, x).feature_acts)
    shared = (exact != 0) & (half != 0)
    assert 0.9 < shared.sum() / (exact != 0).sum() <= 1
    torch.testing.assert_close(exact[shared], half[shared], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dead_after", [3, 1000])
def test_training_goes_as_with_sae_lens(dead_after, monkeypatch):
    """Step by step until rounding has grown: the same losses, the same features counted as dead."""
    from congruence.training import topk_cpu

    def losses():
        settings = TrainingSettings(steps=40, batch=N, dead_after=dead_after, learning_rate=1e-3)
        trainer = make_trainer(SaeSettings(k=K, d_sae=F), settings, d_in=D, seed=1)
        generator = torch.Generator().manual_seed(2)
        for _ in range(40):
            yield float(trainer.step(torch.randn(N, D, generator=generator)).loss.detach())
            trainer.n_training_steps += 1
        yield float(trainer.dead_neurons.sum())
        yield float(trainer.act_freq_scores.sum())

    ours = list(losses())
    monkeypatch.setattr(topk_cpu, "FEW", F)
    theirs = list(losses())
    assert ours[-1] == theirs[-1] == 40 * N * K
    assert ours == pytest.approx(theirs, rel=1e-3, abs=2)
    assert ours[:20] == pytest.approx(theirs[:20], rel=1e-4)
    assert ours[30] < 0.98 * ours[0]
