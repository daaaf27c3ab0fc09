"""`congruence train-sae` on a tiny random model: messages, files, resuming, what other libraries read."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from stored_run import flip

from congruence.cli.main import main
from congruence.errors import SaeError, StorageError
from congruence.saes import load_sae
from congruence.training.config import parse_training_config
from congruence.training.inputs import training_hooks, training_model, training_tokens
from congruence.training.sessions import train_saes
from congruence.training.stream import ActivationRounds

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 16
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


def test_stream_from_a_step_on_is_the_tail_of_the_whole_stream(place):
    config = parse_training_config(raw_config(place))
    model = training_model(config)
    tokens, _ = training_tokens(config, model)
    names = tuple(str(hook) for hook in training_hooks(config, model))
    stream = ActivationRounds(model, tokens, names, seed=5, batch=64, buffer=256)
    count = 3 * tokens.n // 64  # more than two epochs
    whole = [batch for batch, _ in zip(stream(0), range(count), strict=False)]
    for first in (1, 5, count - 2):
        tail = [batch for batch, _ in zip(stream(first), range(count - first), strict=False)]
        assert all(
            torch.equal(a[name], b[name]) for a, b in zip(whole[first:], tail, strict=True) for name in names
        )
    assert not torch.equal(
        whole[0][names[0]], next(ActivationRounds(model, tokens, names, 6, 64, 256)(0))[names[0]]
    )


def test_an_epoch_holds_every_token_once_but_for_the_rests(place):
    config = parse_training_config(raw_config(place))
    model = training_model(config)
    tokens, _ = training_tokens(config, model)
    stream = ActivationRounds(model, tokens, ("embed",), seed=5, batch=10, buffer=256)
    rounds = [rows for rows, _ in zip(stream._rounds(), range(tokens.n // 256), strict=False)]
    assert sorted(np.concatenate(rounds)) == list(range(len(tokens.keep)))
    assert all(abs(tokens.keep[rows].sum() - 256) < 32 for rows in rounds[:-1])


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
