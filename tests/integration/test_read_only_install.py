"""An installation that can't be written, under a home that can't be either: containers, modules on a cluster."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from stored_run import tiny

import congruence
from congruence import caches
from congruence.recipes import demo

PACKAGE = Path(congruence.__file__).parent
MOUNTED = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


@pytest.fixture(scope="module")
def installed():
    """A copy of the package that nobody may write to, and a folder for what it is run on."""
    base = Path(tempfile.mkdtemp(prefix="congruence-read-only-"))
    leave_out = shutil.ignore_patterns("__pycache__", "assets")
    shutil.copytree(PACKAGE, base / "site" / "congruence", ignore=leave_out)
    (base / "site" / "congruence" / "assets").symlink_to(PACKAGE / "assets")
    (base / "scratch").mkdir()
    for path in [base, *base.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    (base / "scratch").chmod(0o777)
    yield base
    for path in base.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    base.chmod(0o755)
    shutil.rmtree(base)


@pytest.fixture
def run(installed):
    if os.getuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("root may write everywhere, and may not mount anything read-only here")

    def start(*arguments, **environment):
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        home = {"HOME": "/proc/none", "PYTHONPATH": str(installed / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
        home |= {"TMPDIR": str(installed / "scratch"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "congruence", *map(str, arguments)]
        if os.getuid() == 0:  # may write anywhere but on a file system that is mounted read-only
            command = ["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(installed / "site"), *command]
        return subprocess.run(
            command, env=inherited | home | environment, cwd=installed / "scratch", capture_output=True, text=True,
            timeout=600, check=False,
        )  # fmt: skip

    return start


@pytest.mark.parametrize(
    "arguments", [("list", "measures"), ("concepts", "list"), ("list", "matchers")], ids=" ".join
)
def test_commands_work(run, installed, arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_what_is_said_at_v(run, installed):
    done = run("run", "none.yaml", "--out", "out", "-v", COLUMNS="400")
    assert done.returncode == 2
    assert f"compiled kernels are kept in {installed}/scratch/congruence-kernels-" in " ".join(
        done.stderr.split()
    )
    assert "config none.yaml doesn't exist" in done.stderr


@pytest.mark.slow
def test_a_whole_run(run, installed):
    small = tiny(demo(draws=20).model_dump(by_alias=True, mode="json", exclude_defaults=True))
    (installed / "scratch" / "small.yaml").write_text(yaml.safe_dump(small))
    done = run("run", "small.yaml", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (installed / "scratch" / "out" / "report.html").exists()
    assert list((installed / "scratch").glob("congruence-kernels-*/**/*.nbi"))
    assert "Traceback" not in done.stderr
    assert "Matplotlib" not in done.stderr


def test_a_writable_package_keeps_its_kernels(monkeypatch):
    monkeypatch.delenv(caches.KERNELS, raising=False)
    monkeypatch.setattr(caches, "_package_is_writable", lambda: True)
    caches.settle_kernel_cache()
    assert caches.KERNELS not in os.environ


def test_what_the_user_names_comes_first(monkeypatch):
    monkeypatch.setenv(caches.KERNELS, "/somewhere")
    monkeypatch.setattr(caches, "_package_is_writable", lambda: False)
    caches.settle_kernel_cache()
    assert os.environ[caches.KERNELS] == "/somewhere"


def test_a_folder_that_others_can_write_to_holds_no_code(monkeypatch, tmp_path):
    shared = tmp_path / f"congruence-kernels-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    assert caches._first_writable([shared, tmp_path / "own"]) == tmp_path / "own"
    assert caches._first_writable([Path("/proc/none/x"), None]) is None
