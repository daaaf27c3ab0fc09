"""The loop on made-up activations: it learns, and a run that was killed ends as an undisturbed one."""

import importlib.util

import numpy as np
import pytest
import torch

from congruence.errors import ConfigError, CorpusError
from congruence.rng import derive
from congruence.saes import load_sae
from congruence.saes.fit import FitMeter
from congruence.training import (
    SaeSettings,
    TrainingSettings,
    make_trainer,
    store_trained,
    train,
)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sae_lens") is None, reason="sae-lens isn't installed (extra train)"
)

WIDTH = 8
TRAINING = TrainingSettings(
    steps=12, batch=64, checkpoint_every=4, dead_after=3, learning_rate=1e-2, decay=0.5
)
SAES = {
    "topk": SaeSettings(architecture="topk", k=3, expansion=4),
    "batchtopk": SaeSettings(architecture="batchtopk", k=3, expansion=4),
    "matryoshka": SaeSettings(architecture="matryoshka", k=3, expansion=4),
    "jumprelu": SaeSettings(architecture="jumprelu", l0_coefficient=0.01, expansion=4),
    "gated": SaeSettings(architecture="gated", l1_coefficient=0.01, expansion=4),
    "relu": SaeSettings(architecture="relu", l1_coefficient=0.01, expansion=4),
}
_DICTIONARY = torch.from_numpy(np.random.default_rng(1).normal(size=(20, WIDTH))).float()


class Killed(BaseException):
    pass


def _batch(step, n=64):
    rng = derive(3, "batch", step)
    on = rng.random((n, 20)) < 0.1
    return torch.from_numpy(on * rng.random((n, 20)) + 0.5).float() @ _DICTIONARY


def _stream(first):
    return ({"x": _batch(step), "y": _batch(step) * 3} for step in range(first, TRAINING.steps))


def _trainers(sae, seed=0):
    return {name: make_trainer(sae, TRAINING, d_in=WIDTH, seed=seed + i) for i, name in enumerate("xy")}


def _train(sae, folder, on_step=lambda step, losses: None, stream=_stream):
    trainers = _trainers(sae)
    folders = {name: folder / name for name in trainers}
    train(trainers, stream, TRAINING, checkpoints=folders, on_step=on_step)
    return trainers


def _weights(trainers):
    return {(n, k): v.clone() for n, t in trainers.items() for k, v in t.sae.state_dict().items()}


@pytest.mark.parametrize("architecture", SAES)
def test_killed_and_resumed_equals_undisturbed(architecture, tmp_path):
    def kill(step, losses):
        if step == 10:
            raise Killed

    whole = _weights(_train(SAES[architecture], tmp_path / "whole"))
    with pytest.raises(Killed):
        _train(SAES[architecture], tmp_path / "killed", kill)
    steps = []
    resumed = _weights(
        _train(SAES[architecture], tmp_path / "killed", lambda step, losses: steps.append(step))
    )
    assert steps == [8, 9, 10, 11, 12]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_resuming_would_show_another_data_order(tmp_path):
    """The check above can fail: with batches that start again from the first, the weights differ."""

    def kill(step, losses):
        if step == 10:
            raise Killed

    whole = _weights(_train(SAES["topk"], tmp_path / "whole"))
    with pytest.raises(Killed):
        _train(SAES["topk"], tmp_path / "killed", kill)
    resumed = _weights(_train(SAES["topk"], tmp_path / "killed", stream=lambda first: _stream(0)))
    assert not all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_kill_between_two_checkpoints_goes_back_to_the_step_all_have(tmp_path):
    whole = _weights(_train(SAES["topk"], tmp_path / "whole"))
    _train(SAES["topk"], tmp_path / "half")
    # As after a kill while step 12 was being written: x has it, y still has step 8.
    with pytest.raises(Killed):
        _train(SAES["topk"], tmp_path / "other", _kill_at(10))
    for name in ("x", "y"):
        (tmp_path / "other" / name / "step-00000008").rename(tmp_path / "half" / name / "step-00000008")
    (tmp_path / "half" / "y" / "step-00000012").rename(tmp_path / "away")
    steps = []
    resumed = _weights(_train(SAES["topk"], tmp_path / "half", lambda step, losses: steps.append(step)))
    assert steps[:2] == [8, 9]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def _kill_at(at):
    def kill(step, losses):
        if step == at:
            raise Killed

    return kill


def test_trained_alone_equals_trained_beside_others(tmp_path):
    both = _weights(_train(SAES["topk"], tmp_path / "both"))
    alone = {"x": make_trainer(SAES["topk"], TRAINING, d_in=WIDTH, seed=0)}
    train(alone, _stream, TRAINING, checkpoints={"x": tmp_path / "alone"})
    assert all(torch.equal(both["x", name], weight) for name, weight in alone["x"].sae.state_dict().items())


def test_training_lowers_the_unexplained_variance(tmp_path):
    def fvu(trainer):
        meter = FitMeter(trainer.sae)
        meter.update(trainer.activation_scaler(_batch(10_000, 500)))
        return meter.result().fvu

    trained = _train(SAES["topk"], tmp_path)["x"]
    assert fvu(trained) < 0.7 * fvu(_trainers(SAES["topk"])["x"])


@pytest.mark.parametrize("architecture", ["topk", "jumprelu", "gated", "relu"])
def test_stored_sae_does_to_raw_inputs_what_the_trained_one_did_to_scaled_ones(architecture, tmp_path):
    trainer = _train(SAES[architecture], tmp_path / "checkpoints")["y"]
    x = _batch(10_000) * 3
    with torch.no_grad():
        expected = trainer.activation_scaler.unscale(
            trainer.sae.decode(trainer.sae.encode(trainer.activation_scaler(x)))
        )
    store_trained(trainer, tmp_path / "sae", format_name="saelens", dtype="float32")
    stored = load_sae(tmp_path / "sae")
    torch.testing.assert_close(stored.decode(stored.encode(x)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("architecture", SAES)
def test_sae_lens_reads_every_architecture_as_we_do(architecture, tmp_path):
    from sae_lens import SAE

    trainer = _train(SAES[architecture], tmp_path / "checkpoints")["y"]
    store_trained(trainer, tmp_path / "sae", format_name="saelens", dtype="float32")
    theirs, ours = SAE.load_from_disk(tmp_path / "sae"), load_sae(tmp_path / "sae")
    x = _batch(10_000) * 3
    torch.testing.assert_close(theirs.encode(x), ours.encode(x), rtol=1e-4, atol=1e-4)
    assert (ours.encode(x) > 0).any()


def test_seed_decides_the_first_weights_and_leaves_torch_alone():
    before = torch.random.get_rng_state()
    one, same, other = (
        make_trainer(SAES["topk"], TRAINING, d_in=WIDTH, seed=seed).sae.W_dec for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_short_stream_is_named(tmp_path):
    with pytest.raises(CorpusError, match="ended before step 6"):
        _train(
            SAES["topk"],
            tmp_path,
            stream=lambda first: (b for b, _ in zip(_stream(first), range(5), strict=False)),
        )


def test_unknown_field_of_sae_lens_is_named_with_the_nearest():
    sae = SaeSettings(architecture="topk", sae_lens={"decoder_init_nrm": 1})
    with pytest.raises(ConfigError, match="did you mean 'decoder_init_norm'"):
        make_trainer(sae, TRAINING, d_in=WIDTH, seed=0)


def test_more_active_features_than_features_is_refused():
    with pytest.raises(ConfigError, match="k = 40 is more than the SAE's 32 features"):
        make_trainer(SaeSettings(k=40, expansion=4), TRAINING, d_in=WIDTH, seed=0)
