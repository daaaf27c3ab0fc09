"""The files for Slurm and Kubernetes say what the command line and the configuration understand."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from congruence.cli.run import command
from congruence.config.runner import RunnerConfig

CLUSTER = Path(__file__).parents[3] / "cluster"


def settings(words: list[str]) -> dict[str, str]:
    """What --set says of the runner."""
    return dict(w.removeprefix("runner.").split("=", 1) for w in words if w.startswith("runner."))


def calls(text: str) -> list[list[str]]:
    """Every call of `congruence run` in a script, as words."""
    found = re.findall(r"^congruence run (?:[^\n\\]|\\\n)*", text, re.MULTILINE)
    return [shlex.split(call.replace("\\\n", " ").rstrip("& ")) for call in found]


@pytest.mark.parametrize("name", ["slurm.sh", "rayjob.yaml"])
def test_the_run_that_is_started(name):
    text = (CLUSTER / name).read_text()
    words = (
        shlex.split(yaml.safe_load(text)["spec"]["entrypoint"]) if name.endswith("yaml") else calls(text)[0]
    )
    assert words[:2] == ["congruence", "run"]
    options = {word for word in words if word.startswith("--")}
    assert options <= {option for parameter in command.params for option in parameter.opts}
    told = settings(words)
    assert set(told) <= set(RunnerConfig.model_fields)
    assert {"address", "cpus", "gpus_per_capture"} <= set(told)


def test_the_runner_of_the_job_is_one_that_a_configuration_can_have():
    words = shlex.split(yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())["spec"]["entrypoint"])
    kind = words[words.index("--runner") + 1]
    runner = RunnerConfig.model_validate({"kind": kind, **yaml.safe_load(yaml.dump(settings(words)))})
    assert (runner.kind, runner.address, runner.gpus_per_capture) == ("ray", "auto", 1)


def test_every_pod_of_the_job_sees_the_run():
    spec = yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())["spec"]["rayClusterSpec"]
    pods = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    mounts = [pod["template"]["spec"]["containers"][0]["volumeMounts"] for pod in pods]
    assert all(mount == [{"name": "data", "mountPath": "/data"}] for mount in mounts)
    assert all(pod["template"]["spec"]["volumes"][0]["name"] == "data" for pod in pods)


def test_an_unknown_runner_is_one_line(tmp_path):
    result = CliRunner().invoke(
        command, [str(tmp_path / "c.yaml"), "--out", str(tmp_path / "o"), "--runner", "dask"]
    )
    assert result.exit_code == 2
    assert "'serial', 'processes', 'ray'" in result.output
