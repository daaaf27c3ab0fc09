"""`congruence train-sae` on a tiny random model: messages, files, resuming, what other libraries read."""

import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from stored_run import flip

from congruence.cli.main import main
from congruence.errors import SaeError, StorageError
from congruence.models import batch_states
from congruence.progress import Silent
from congruence.saes import load_sae
from congruence.training import loop, sessions
from congruence.training.config import parse_training_config
from congruence.training.inputs import training_model, training_tokens
from congruence.training.kept import KeptActivations
from congruence.training.portions import Portions
from congruence.training.sessions import train_saes
from congruence.training.stream import ActivationRounds

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 16
NAMES = ("resid_post.0", "resid_post.1")
needs_sae_lens = pytest.mark.skipif(
    importlib.util.find_spec("sae_lens") is None, reason="sae-lens isn't installed (extra train)"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model of two blocks and random weights, and some text."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("train-sae")
    words = ["<eos>", *(f"w{i}" for i in range(60))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<eos>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>").save_pretrained(folder / "model")
    torch.manual_seed(0)
    GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=32,
            initializer_range=0.5,
        )
    ).save_pretrained(folder / "model")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words[1:], size=rng.integers(5, 30))) for _ in range(80)]
    (folder / "text.txt").write_text("\n<|endoftext|>\n".join(texts))
    return folder


def raw_config(place, **changes):
    return {
        "model": str(place / "model"),
        "corpus": {"path": str(place / "text.txt")},
        "held_out_documents": 10,
        "sae": {"k": 3, "expansion": 4},
        "training": {"steps": 8, "batch": 64, "buffer": 256, "checkpoint_every": 3, "learning_rate": 0.01},
    } | changes


def write_config(place, path, **changes):
    path.write_text(yaml.safe_dump(raw_config(place, **changes)))
    return str(path)


def weights(folder):
    return {
        (file.parent.relative_to(folder).as_posix(), name): tensor
        for file in sorted(folder.rglob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@needs_sae_lens
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "./nowhere"}, "doesn't exist"),
        ({"corpus": {"path": "nowhere.txt"}}, "doesn't exist"),
        ({"layers": [7]}, "layer 7 isn't in model: it has layers 0 to 1"),
        ({"hook": "resid_psot"}, "resid_psot"),
        ({"held_out_documents": 80}, "lower held_out_documents"),
        ({"training": {"batch": 5000}}, "less than a batch of 5000"),
        ({"sae": {"k": 1000}}, "k = 1000 is more than"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_exit_2(place, tmp_path, capsys, changes, message):
    with pytest.raises(SystemExit) as stop:
        main(
            ["train-sae", write_config(place, tmp_path / "c.yaml", **changes), "--out", str(tmp_path / "out")]
        )
    error = [line for line in capsys.readouterr().err.strip().splitlines() if line.startswith("error:")]
    assert stop.value.code == 2
    assert len(error) == 1
    assert message in error[0]


def portions(place, kept=None, size=64, **changes):
    config = parse_training_config(raw_config(place, **changes))
    model = training_model(config)
    tokens, _ = training_tokens(config, model)
    return Portions(model, tokens, size, kept=kept)


def batches(stream, first, count):
    return list(itertools.islice(stream(first), count))


def equal(one, other):
    return all(a.keys() == b.keys() for a, b in zip(one, other, strict=True)) and all(
        torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a
    )


def test_stream_from_a_step_on_is_the_tail_of_the_whole_stream(place):
    text = portions(place)
    stream = ActivationRounds(text, NAMES, seed=5, batch=64, buffer=256)
    count = 3 * text.tokens.n // 64  # more than two epochs
    whole = batches(stream, 0, count)
    for first in (1, 5, count - 2):
        assert equal(whole[first:], batches(stream, first, count - first))
    other = ActivationRounds(text, NAMES, seed=6, batch=64, buffer=256)
    assert not torch.equal(whole[0][NAMES[0]], next(other(0))[NAMES[0]])


def test_an_epoch_holds_every_token_once_but_for_the_rests(place):
    text = portions(place)
    stream = ActivationRounds(text, ("embed",), seed=5, batch=10, buffer=256)
    rounds = list(itertools.islice(stream._rounds(), text.tokens.n // 256))
    assert sorted(np.concatenate(rounds)) == list(range(len(text.rows)))
    assert sorted(np.concatenate(text.rows)) == list(range(len(text.tokens.keep)))
    assert all(abs(text.counts[together].sum() - 256) < 64 + 32 for together in rounds[:-1])
    assert all(abs(text.counts[:-1] - 64) <= 32)


def test_the_tokens_of_a_portion_are_those_of_its_rows(place):
    """Against each row run by itself, whatever order portions give them in."""
    text = portions(place)
    for number in (0, len(text.rows) - 1):
        (found,) = text.each([number], NAMES)
        for name in NAMES:
            alone = [
                batch_states(text.model, text.tokens, np.array([row]), (name,))[name]
                for row in text.rows[number]
            ]
            apart = (torch.cat(alone)[:, None] - found[name]).norm(dim=-1)
            assert len(found[name]) == text.counts[number]
            assert max(apart.min(dim=0).values.max(), apart.min(dim=1).values.max()) < 1e-3


def test_kept_activations_are_those_that_would_be_captured(place, tmp_path, monkeypatch):
    count = 60  # several epochs
    expected = batches(ActivationRounds(portions(place), NAMES, 5, 64, 256), 0, count)
    passes = counted_passes(monkeypatch)
    text = portions(place, KeptActivations(tmp_path, 1e9))
    assert equal(batches(ActivationRounds(text, NAMES, 5, 64, 256), 0, count), expected)
    once = len(passes)
    assert equal(batches(ActivationRounds(text, NAMES, 5, 64, 256), 7, count - 7), expected[7:])
    of_a_seed = batches(ActivationRounds(text, NAMES, 8, 64, 256), 0, count)
    again = portions(place, KeptActivations(tmp_path, 1e9))
    assert equal(
        batches(ActivationRounds(again, NAMES[:1], 8, 64, 256), 0, count),
        [{NAMES[0]: b[NAMES[0]]} for b in of_a_seed],
    )
    assert sum(passes) == text.tokens.n
    assert len(passes) == once


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_activations_are_kept_in_the_models_own_type(place, tmp_path, dtype):
    text = portions(place, KeptActivations(tmp_path, 1e9), dtype=dtype)
    first, again = ([*text.each([0, 1], NAMES)] for _ in range(2))
    assert equal(first, again)
    assert {acts.dtype for acts in first[0].values()} == {torch.float32}
    kept = load_file(next(tmp_path.rglob("acts.safetensors")))["acts"]
    assert kept.dtype == getattr(torch, dtype)


def test_what_is_not_whole_is_captured_again_and_the_same(place, tmp_path, caplog):
    text = portions(place, KeptActivations(tmp_path, 1e9))
    expected = [*text.each(range(len(text.rows)), NAMES)]
    files = sorted(tmp_path.rglob("*.*"))
    assert len(files) == 2 * 2 * len(text.rows)
    for file in files[:: len(files) // 7]:
        flip(file, file.stat().st_size // 2)
    (tmp_path / files[-1]).unlink()
    again = portions(place, KeptActivations(tmp_path, 1e9))
    assert equal([*again.each(range(len(text.rows)), NAMES)], expected)
    assert "set aside" in caplog.text


@pytest.mark.parametrize("limit", [0, 20_000])
def test_no_more_is_kept_than_may_be_and_the_rest_is_captured_again(
    place, tmp_path, monkeypatch, caplog, limit
):
    expected = batches(ActivationRounds(portions(place), NAMES, 5, 64, 256), 0, 60)
    passes = counted_passes(monkeypatch)
    text = portions(place, KeptActivations(tmp_path / "kept", limit))
    assert equal(batches(ActivationRounds(text, NAMES, 5, 64, 256), 0, 60), expected)
    size = sum(file.stat().st_size for file in tmp_path.rglob("acts.safetensors"))
    assert size <= limit + 200 * len(list(tmp_path.rglob("acts.safetensors")))
    assert (size > limit / 2) == (limit > 0)
    assert sum(passes) > 1.5 * text.tokens.n
    assert ("keep_gb allows 2e-05: further activations are captured again" in caplog.text) == (limit > 0)
    assert sum(record.levelname == "WARNING" for record in caplog.records) == (limit > 0)


def test_a_folder_that_cannot_be_written_is_told_once_and_nothing_is_lost(place, tmp_path, caplog):
    (tmp_path / "kept").write_text("a file where a folder should be")
    text = portions(place, KeptActivations(tmp_path / "kept", 1e9))
    stream = ActivationRounds(text, NAMES, 5, 64, 256)
    assert equal(batches(stream, 0, 30), batches(ActivationRounds(portions(place), NAMES, 5, 64, 256), 0, 30))
    assert len([r for r in caplog.records if "captured again whenever" in r.message]) == 1


@needs_sae_lens
def test_the_model_runs_once_for_all_seeds_epochs_architectures_and_starts(place, tmp_path, monkeypatch):
    passes = counted_passes(monkeypatch)
    changes = {"training": {"steps": 60, "batch": 64, "buffer": 256}, "activations": str(tmp_path / "acts")}
    config = parse_training_config(raw_config(place, seeds=[0, 1], **changes))
    with pytest.raises(_Killed):
        train_saes(config, tmp_path / "topk", progress=_KillAt(40))
    topk = train_saes(config, tmp_path / "topk")
    text = json.loads((topk[0].path / "training.json").read_text())["tokens_in_corpus"]
    assert sum(passes) == text + topk[0].quality.tokens
    passes.clear()
    relu = parse_training_config(raw_config(place, sae={"architecture": "relu", "expansion": 4}, **changes))
    train_saes(relu, tmp_path / "relu")
    assert passes == []
    alone = raw_config(place, seeds=[1], layers=[1], training=changes["training"], keep_gb=0)
    train_saes(parse_training_config(alone), tmp_path / "alone")
    assert sum(passes) > 3 * text
    name = topk[3].path.relative_to(tmp_path / "topk")
    assert same(weights(tmp_path / "topk" / name), weights(tmp_path / "alone" / name))


@needs_sae_lens
def test_what_is_not_kept_is_said_on_the_terminal(place, tmp_path, capsys):
    config = write_config(place, tmp_path / "c.yaml", layers=[1], keep_gb=1e-5)
    main(["train-sae", config, "--out", str(tmp_path / "out")])
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("keep_gb allows 1e-05: further activations are captured again") == 1
    assert "INFO" not in told


@needs_sae_lens
def test_an_sae_that_saw_its_text_row_by_row_is_found(place, tmp_path, caplog):
    """As versions before portions trained it."""
    config = parse_training_config(raw_config(place, layers=[1]))
    (trained,) = train_saes(config, tmp_path)
    text = portions(place)
    _, held_out = training_tokens(config, text.model)
    job = sessions._Seed(config, tmp_path, 0, text, replace(text, tokens=held_out), Silent())
    record = json.loads((trained.path / "training.json").read_text())
    assert record["key"] == job._key(trained.hook)
    sessions._seal(trained.path, record | {"key": job._key(trained.hook, sessions._ROWS)})
    (again,) = train_saes(config, tmp_path)
    assert again.reused


@needs_sae_lens
def test_checkpoints_come_by_time(place, tmp_path, monkeypatch):
    """A clock that goes on by a second a step, and by none while a checkpoint is written."""
    now, written = [0.0], []
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(loop, "save_checkpoints", lambda folders, trainers, step: written.append(step))
    config = raw_config(place, layers=[1], training={"steps": 20, "batch": 64, "checkpoint_seconds": 6})

    class Clock:
        def advance(self, task, done, total, unit):
            now[0] += unit == "steps" and done > 0

    train_saes(parse_training_config(config), tmp_path, progress=Clock())
    assert written == [7, 13, 19, 20]
    timer = loop._Timer(6, now[0])
    with timer.writing():
        now[0] += 1
    now[0] += loop.SPARING - 1
    assert not timer.is_due()
    now[0] += 1
    assert timer.is_due()


@needs_sae_lens
def test_what_is_captured_is_told_pass_by_pass(place, tmp_path):
    told = []

    class Told:
        def advance(self, task, done, total, unit):
            told.append((task, done, total, unit))

    config = parse_training_config(raw_config(place, batch_tokens=40))
    train_saes(config, tmp_path, progress=Told())
    captured = [(done, total) for task, done, total, _ in told if task == "capturing"]
    starts = [i for i, (done, _) in enumerate(captured) if done == 0]
    assert starts[0] == 0
    assert len(starts) in (2, 3)  # 8 steps of 64 tokens from rounds of about 256
    for first, end in itertools.pairwise([*starts, len(captured)]):
        of_a_round = captured[first:end]
        assert len(of_a_round) > 8
        assert of_a_round == sorted(of_a_round)
        assert {total for _, total in of_a_round} == {of_a_round[-1][0]}
    assert told[0] == ("seed 0: 2 SAEs", 0, 8, "steps")
    assert told[1][0] == "capturing"
    assert ("capturing held-out text", 142, 142, "tokens") in told


def counted_passes(monkeypatch):
    """Tokens of each forward pass from now on."""
    passes = []

    def counted(model, tokens, rows, names):
        passes.append(int(tokens.keep[rows].sum()))
        return batch_states(model, tokens, rows, names)

    monkeypatch.setattr("congruence.training.portions.batch_states", counted)
    return passes


@needs_sae_lens
@pytest.mark.parametrize("format_name", ["saelens", "sparsify"])
def test_trained_files_have_figures_and_are_found_again(place, tmp_path, format_name):
    config = parse_training_config(raw_config(place, format=format_name, seeds=[0, 1], store_dtype="float16"))
    first = train_saes(config, tmp_path)
    assert [(str(sae.hook), sae.seed, sae.reused) for sae in first] == [
        (f"resid_post.{layer}", seed, False) for seed in (0, 1) for layer in (0, 1)
    ]
    for sae in first:
        loaded = load_sae(sae.path)
        record = json.loads((sae.path / "training.json").read_text())
        assert (loaded.d_in, loaded.d_sae, loaded.k) == (WIDTH, 4 * WIDTH, 3)
        assert loaded.hook_point == sae.hook
        assert {tensor.dtype for tensor in weights(sae.path).values()} == {torch.float16}
        assert 0 < record["quality"]["fvu"] < 1.5
        assert record["quality"]["l0"] <= 3
    assert not (tmp_path / ".checkpoints").exists()
    assert not (tmp_path / ".activations").exists()
    before = weights(tmp_path)
    assert not torch.equal(
        before["seed0/" + first[0].path.name, "W_dec"], before["seed1/" + first[0].path.name, "W_dec"]
    )
    again = train_saes(config, tmp_path)
    assert all(sae.reused for sae in again)
    assert [sae.quality for sae in again] == [sae.quality for sae in first]
    assert same(before, weights(tmp_path))


@needs_sae_lens
@pytest.mark.parametrize("architecture", ["topk", "relu"])
def test_a_frozen_decoder_stays_where_it_started(place, tmp_path, architecture):
    """Directions are those of the seed however long it is trained; encoders and biases move."""
    sae = {"architecture": architecture, "expansion": 4} | ({"k": 3} if architecture == "topk" else {})

    def trained(name, **of_sae):
        steps = {"steps": 2 if name == "short" else 8, "batch": 64, "buffer": 256, "learning_rate": 0.01}
        raw = raw_config(place, layers=[1], sae=sae | of_sae, training=steps)
        (found,) = train_saes(parse_training_config(raw), tmp_path / name)
        loaded = load_sae(found.path)
        return loaded.W_enc, torch.nn.functional.normalize(loaded.W_dec, dim=-1)

    short, long = trained("short", frozen_decoder=True), trained("long", frozen_decoder=True)
    torch.testing.assert_close(short[1], long[1], atol=1e-5, rtol=0)
    assert not torch.allclose(short[0], long[0], atol=1e-3)
    assert not torch.allclose(trained("free")[1], long[1], atol=1e-3)


@needs_sae_lens
def test_the_option_freezes_decoders_and_the_figures_are_kept(place, tmp_path):
    config = write_config(place, tmp_path / "c.yaml", layers=[1])
    main(["train-sae", config, "--frozen-decoder", "--out", str(tmp_path / "out")])
    record = json.loads(next((tmp_path / "out").rglob("training.json")).read_text())
    assert record["sae"]["frozen_decoder"] is True
    assert record["quality"]["fvu"] < 2


@needs_sae_lens
def test_other_settings_do_not_take_over_finished_saes(place, tmp_path, capsys):
    train_saes(parse_training_config(raw_config(place, layers=0)), tmp_path / "out")
    changed = write_config(place, tmp_path / "c.yaml", layers=0, sae={"k": 4, "expansion": 4})
    with pytest.raises(SystemExit) as stop:
        main(["train-sae", changed, "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "other settings" in capsys.readouterr().err


@needs_sae_lens
@pytest.mark.filterwarnings("ignore")
def test_sae_lens_reads_the_files_and_encodes_as_we_do(place, tmp_path):
    from sae_lens import SAE

    config = parse_training_config(raw_config(place, layers=[1]))
    (trained,) = train_saes(config, tmp_path)
    theirs, ours = SAE.load_from_disk(trained.path), load_sae(trained.path)
    x = torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(0)) * 3
    torch.testing.assert_close(theirs.encode(x), ours.encode(x))
    torch.testing.assert_close(theirs.decode(theirs.encode(x)), ours.decode(ours.encode(x)))
    assert theirs.cfg.metadata.hook_name == "blocks.1.hook_resid_post"


class _Killed(BaseException):
    pass


class _KillAt:
    def __init__(self, step):
        self.step = step

    def advance(self, task, done, total, unit):
        if done == self.step:
            raise _Killed


@needs_sae_lens
def test_interrupted_and_started_again_equals_undisturbed(place, tmp_path):
    config = parse_training_config(raw_config(place))
    train_saes(config, tmp_path / "whole")
    for step in (2, 5, 8):
        with pytest.raises(_Killed):
            train_saes(config, tmp_path / "killed", progress=_KillAt(step))
    train_saes(config, tmp_path / "killed")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    figures = [
        json.loads((tmp_path / n / "seed0/blocks.1.hook_resid_post/training.json").read_text())["quality"]
        for n in ("whole", "killed")
    ]
    assert figures[0] == figures[1]
    log = (tmp_path / "killed" / "run.log").read_text()
    assert "going on from step 3 of 8" in log


@needs_sae_lens
def test_a_changed_byte_of_a_finished_sae_or_a_checkpoint_is_seen(place, tmp_path, caplog):
    config = parse_training_config(raw_config(place, layers=[1]))
    (undisturbed,) = train_saes(config, tmp_path / "whole")
    with pytest.raises(_Killed):
        train_saes(config, tmp_path / "out", progress=_KillAt(7))
    (step,) = tmp_path.glob("out/.checkpoints/*/step-*")
    (step / "weights.safetensors").write_bytes(b"cut")
    (trained,) = train_saes(config, tmp_path / "out")
    assert "weights.safetensors isn't what was written: set aside as .step-00000006.broken" in caplog.text
    files = [path for path in trained.path.iterdir() if path.is_file()]
    assert len(files) >= 3
    for path in files:
        caplog.clear()
        flip(path, path.stat().st_size // 2)
        with pytest.raises(SaeError, match="train it again"):
            load_sae(trained.path)
        (again,) = train_saes(config, tmp_path / "out")
        assert not again.reused
        assert f"{path.name} isn't what was written: set aside" in caplog.text
    assert again.quality == undisturbed.quality
    assert same(weights(undisturbed.path), weights(again.path))
    (reused,) = train_saes(config, tmp_path / "out")
    assert reused.reused


@needs_sae_lens
def test_an_sae_stored_without_checksums_is_taken_over_and_a_foreign_folder_is_left(place, tmp_path):
    config = parse_training_config(raw_config(place, layers=[1]))
    (trained,) = train_saes(config, tmp_path)
    record = json.loads((trained.path / "training.json").read_text())
    older = {name: value for name, value in record.items() if name not in ("files", "checksum")}
    (trained.path / "training.json").write_text(json.dumps(older | {"format_version": 1}, indent=2))
    (again,) = train_saes(config, tmp_path)
    assert again.reused
    assert json.loads((trained.path / "training.json").read_text()) == record
    (trained.path / "training.json").unlink()
    with pytest.raises(StorageError, match=r"holds no training\.json: name another --out"):
        train_saes(config, tmp_path)
    assert list(trained.path.glob("*.safetensors"))


@needs_sae_lens
@pytest.mark.slow
def test_kill_9_and_the_same_command_again(place, tmp_path):
    changes = {"training": {"steps": 1500, "batch": 64, "buffer": 512, "checkpoint_every": 50}}
    config = write_config(place, tmp_path / "c.yaml", **changes)
    command = [sys.executable, "-m", "congruence", "train-sae", config, "--out"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(tmp_path / "whole")], check=True, env=environment, capture_output=True)
    process = subprocess.Popen(
        [*command, str(tmp_path / "killed")], env=environment, stderr=subprocess.DEVNULL
    )
    deadline = time.time() + 120
    while not list((tmp_path / "killed").glob(".checkpoints/*/step-00000[2-9]*")) and time.time() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "seed0").exists(), "it was killed too late to show anything"
    subprocess.run([*command, str(tmp_path / "killed")], check=True, env=environment, capture_output=True)
    assert "going on from step" in (tmp_path / "killed" / "run.log").read_text()
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))


@needs_sae_lens
@pytest.mark.slow
def test_a_real_model_reaches_a_low_unexplained_variance(shared, tmp_path):
    config = parse_training_config(
        {
            "model": str(shared / "models/stories15M"),
            "corpus": {
                "path": str(shared / "text/stories/stories.txt"),
                "documents": 1500,
                "max_tokens": 128,
            },
            "layers": [1],
            "sae": {"k": 16},
            "training": {"steps": 100, "batch": 1024, "learning_rate": 0.004, "mixed_precision": True},
        }
    )
    (trained,) = train_saes(config, tmp_path)
    assert trained.quality.fvu < 0.35
    assert trained.quality.l0 == 16
    assert trained.quality.dead_share < 0.2
