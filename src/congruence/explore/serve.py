"""Serving one run on this machine until somebody ends it."""

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from congruence.errors import InputError, StorageError
from congruence.storage.lock import holder, is_held
from congruence.storage.places import stands_for_something
from congruence.view import Answers

LOOPBACK = "127.0.0.1"


def serve(path: Path, *, port: int = 0, said: Callable[[str], object] = print) -> None:
    """Serve a run's pages to browsers of this machine, until it is interrupted.

    Args:
        path: the run's folder; nothing in it is changed.
        port: to listen at; 0: a free one.
        said: is told the address to open.

    Raises:
        StorageError: the folder holds no finished run, or one that can't be read.
        InputError: the port is taken, or the extra isn't installed.
    """
    try:
        import uvicorn

        from congruence.explore.app import application
    except ImportError as error:
        raise InputError(
            f"congruence explore needs {error.name}: install it with pip install 'congruence[explore]'"
        ) from error
    answers = opened(path)
    answers.overview()
    with listening(port) as taken:
        place, token = f"{LOOPBACK}:{taken.getsockname()[1]}", secrets.token_urlsafe(24)
        app = application(answers, token, names_of(taken.getsockname()[1]))
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, date_header=False, lifespan="off"
        )
        said(f"http://{place}/?token={token}")
        uvicorn.Server(config).run(sockets=[taken])


def opened(path: Path) -> Answers:
    """The answers of a run; one that is still being written for the first time is named so.

    Raises:
        StorageError: there is no finished run, in one line.
    """
    try:
        return Answers(path)
    except StorageError as error:
        if stands_for_something(path) and path.is_dir() and is_held(path):
            raise StorageError(
                f"{path} is being written by {holder(path)}: explore it when it has ended"
            ) from error
        raise


def names_of(port: int) -> frozenset[str]:
    """What a browser of this machine calls it."""
    return frozenset(f"{name}:{port}" for name in (LOOPBACK, "localhost"))


def listening(port: int) -> socket.socket:
    """A socket at a port of the loopback address alone.

    Raises:
        InputError: it can't be had.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        taken.bind((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        taken.close()
        raise InputError(
            f"port {port} of {LOOPBACK} can't be had ({error}): name another, or none"
        ) from error
    return taken
