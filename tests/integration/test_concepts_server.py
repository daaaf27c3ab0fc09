"""Asking a real server of the OpenAI protocol: transformers' own, with a small local model."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from congruence.concepts import Endpoint, ask_for_lists
from congruence.errors import InputError

NEEDED = ("openai", "fastapi", "uvicorn")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory, shared):
    """The story model with a chat template: it answers with a story, not a list, but by the protocol."""
    folder = tmp_path_factory.mktemp("chat")
    for file in (shared / "models" / "stories15M").iterdir():
        shutil.copy(file, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["chat_template"] = "{% for message in messages %}{{ 'Once upon a time, ' }}{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def server(chat_model):
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(chat_model)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def _wait(process, port, seconds=240):
    """Until the server answers, or the test is skipped with what happened."""
    for _ in range(seconds):
        if process.poll() is not None:
            pytest.skip(f"transformers serve ended with {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(1)
        else:
            return
    pytest.skip("transformers serve doesn't answer")


def test_lists_from_transformers_own_server(server, chat_model):
    endpoint = Endpoint(str(chat_model), server, temperature=1.0, max_tokens=40)
    lists = ask_for_lists("Emotions", endpoint, lists=2, count=5, seed=1)
    assert len(lists) == 2
    for entry in lists:
        assert entry.details["reply"].strip()
        assert entry.keywords
        assert server in entry.source
    assert lists[0].details["seed"] != lists[1].details["seed"]


def test_a_model_that_is_not_there(server):
    with pytest.raises(InputError, match="gave no list"):
        ask_for_lists("Emotions", Endpoint("no/such/model", server, max_tokens=5), lists=1)
