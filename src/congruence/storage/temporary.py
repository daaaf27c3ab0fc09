"""Names for what isn't whole yet, and what killed processes left under such names."""

import os
import re
import shutil
import socket
import uuid
from pathlib import Path

_NAME = re.compile(r"\.(?P<of>.+)\.(?P<host>[0-9a-f]+)-(?P<process>\d+)-[0-9a-f]{8}\.tmp")


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that no other process takes; what a dead one left for `path` is removed."""
    for found in path.parent.glob(".*.tmp"):
        named = _NAME.fullmatch(found.name)
        if named and named["of"] == path.name and named["host"] == _host() and _ended(int(named["process"])):
            shutil.rmtree(found, ignore_errors=True) if found.is_dir() else found.unlink(missing_ok=True)
    return path.parent / f".{path.name}.{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"


def _host() -> str:
    return socket.gethostname().encode().hex()[-16:] or "0"


def _ended(process: int) -> bool:
    """Whether this machine surely runs no such process any more; False where that can't be asked."""
    try:
        if os.name == "posix":
            os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
