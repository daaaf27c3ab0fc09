"""Object storage by URL, through fsspec: small requests by exact key, tried again where that helps.

Nothing lists a bucket. What is put is asked for afterwards, so that an upload that was cut off is seen.
"""

import contextlib
import importlib.util
import inspect
import logging
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeGuard, TypeVar, runtime_checkable

from congruence.errors import ConfigError, StorageError, quoted
from congruence.wording import install

logger = logging.getLogger(__name__)

T = TypeVar("T")

_URL = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
_EXTRAS = {
    "s3": ("s3", "s3fs"),
    "gs": ("gcs", "gcsfs"),
    "az": ("azure", "adlfs"),
    "abfs": ("azure", "adlfs"),
    "memory": ("", "fsspec"),
}
"""Protocol -> the extra that brings it, and its package."""
_SAME = {"s3a": "s3", "gcs": "gs", "abfss": "abfs"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "max_concurrency": 1,
        "config_kwargs": {"retries": {"total_max_attempts": 1}, "connect_timeout": 10, "read_timeout": 60},
    }
}
"""Tries are counted here, once; things go side by side, their parts one after another."""
ATTEMPTS = 7
FIRST_ATTEMPTS = 4
"""Tries until a server answers for the first time: nothing is lost yet."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
"""Seconds before the second try, and at most before a later one; each pause is twice the one before."""
_HOPELESS = (
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ParamValidationError",
    "InvalidRegionError", "NoAuthTokenError", "UnauthorizedSSOTokenError", "TokenRetrievalError",
    "DefaultCredentialsError", "ClientAuthenticationError", "RefreshError", "ValueError",
)  # fmt: skip
_NO_ANSWER = (
    "EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError", "ProxyConnectionError",
    "SSLError", "ClientConnectorError", "ServiceRequestError",
)  # fmt: skip
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, and AWS_ENDPOINT_URL for another server",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING",
}


@runtime_checkable
class Objects(Protocol):
    """Whole objects by their keys.

    Attributes:
        url: what it is called.
    """

    url: str

    def get(self, key: str) -> bytes | None:
        """An object; None where there is none."""
        ...

    def get_file(self, key: str, path: Path) -> bool:
        """Write an object into a file; whether there was one."""
        ...

    def put(self, key: str, content: bytes, *, attempts: int = ATTEMPTS) -> None:
        """Store an object, in place of any other."""
        ...

    def put_new(self, key: str, content: bytes) -> bool:
        """Store an object where there is none; False: there is one."""
        ...

    def put_file(self, key: str, path: Path) -> None:
        """Store a file's bytes."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        ...


def is_url(value: object) -> TypeGuard[str]:
    """Whether a place is named by a URL, not by a path.

    >>> is_url("s3://bucket/run"), is_url("runs/s3"), is_url("C:\\\\runs")
    (True, False, False)
    """
    return isinstance(value, str) and _URL.fullmatch(value) is not None


def normal_url(value: str, what: str) -> str:
    """A URL as everybody writes it; of a folder on this machine (`file://`) its path.

    Args:
        value: the URL.
        what: the option or key that it was given for.

    Raises:
        ConfigError: nothing can be stored there.
    """
    found = _URL.fullmatch(value)
    assert found is not None
    protocol = found["protocol"].lower()
    protocol, rest = _SAME.get(protocol, protocol), found["rest"].rstrip("/")
    shown = f"{what} {quoted(value, 200)}"
    if protocol == "file":
        if not rest.startswith("/"):
            raise ConfigError(f"{shown} is no absolute path: write file:///folder, or the folder alone")
        return rest
    if protocol not in _EXTRAS:
        raise ConfigError(
            f"{shown}: nothing is stored by {protocol}://: use {', '.join(_EXTRAS)} or a folder"
        )
    if not value.isprintable() or re.search(r"[\s?#%*\\]", rest) or not rest or rest.startswith("/"):
        raise ConfigError(f"{shown} isn't a bucket and a name in it: write {protocol}://BUCKET/NAME")
    if any(part in ("", ".", "..") for part in rest.split("/")) or len(rest) > 700:
        raise ConfigError(
            f"{shown} has an empty part, . or .., or is too long: write {protocol}://BUCKET/NAME"
        )
    if ":" in rest.partition("/")[0]:
        raise ConfigError(
            f"{shown} holds a password or port: give those to the environment, {_given(protocol)}"
        )
    return f"{protocol}://{rest}"


class Remote:
    """A place in object storage.

    Args:
        url: as `normal_url` gives it.
        pause: sleeps so many seconds before another try.

    Raises:
        ConfigError: what speaks its protocol isn't installed, or can't be set up.
    """

    def __init__(self, url: str, *, pause: Callable[[float], object] = time.sleep) -> None:
        self.url, self._pause = url, pause
        self._answered = False
        self.protocol, _, self._path = url.partition("://")
        extra, package = _EXTRAS[self.protocol]
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"{url} needs {package}: {install(extra)}")
        import fsspec

        try:
            self._system = fsspec.filesystem(
                self.protocol, use_listings_cache=False, **_OPTIONS.get(self.protocol, {})
            )
        except Exception as error:
            raise ConfigError(
                f"{url} can't be opened ({_told(error)}): check {_given(self.protocol)}"
            ) from error
        if hasattr(self._system, "retries"):
            self._system.retries = 1
        pipe = getattr(self._system, "_pipe_file", self._system.pipe_file)
        self._creates = "mode" in inspect.signature(pipe).parameters

    def get(self, key: str) -> bytes | None:
        """An object; None where there is none."""
        with contextlib.suppress(FileNotFoundError):
            return self._tried("read", key, lambda: self._system.cat_file(self._at(key)))
        return None

    def get_file(self, key: str, path: Path) -> bool:
        """Write an object into a file; whether there was one."""
        try:
            self._tried("read", key, lambda: self._system.get_file(self._at(key), str(path)))
        except FileNotFoundError:
            return False
        return True

    def put(self, key: str, content: bytes, *, attempts: int = ATTEMPTS) -> None:
        """Store an object, in place of any other; what arrived is compared.

        Raises:
            StorageError: it can't be stored.
        """

        def once() -> None:
            self._system.pipe_file(self._at(key), content)
            if self._system.cat_file(self._at(key)) != content:
                raise OSError("what arrived isn't what was sent")

        self._stored(key, once, attempts)

    def put_new(self, key: str, content: bytes) -> bool:
        """Store an object where there is none (If-None-Match, if the store has it); False: there is one."""
        if not self._creates:
            there = self.get(key) is not None
            if not there:
                self.put(key, content)
            return not there
        try:
            self._stored(key, lambda: self._system.pipe_file(self._at(key), content, mode="create"), ATTEMPTS)
        except FileExistsError:  # another's, or this one, whose answer was lost
            return self.get(key) == content
        if self.get(key) != content:
            self.put(key, content)
        return True

    def put_file(self, key: str, path: Path) -> None:
        """Store a file's bytes; that all of them arrived is asked for.

        Raises:
            StorageError: they can't be stored.
        """
        size = path.stat().st_size

        def once() -> None:
            self._system.put_file(str(path), self._at(key))
            arrived = self._size(key)
            if arrived != size:
                raise OSError(f"{arrived} of {size} bytes arrived")

        self._stored(key, once, ATTEMPTS)

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        with contextlib.suppress(FileNotFoundError):
            return self._tried("read", key, lambda: self._size(key))
        return None

    def _size(self, key: str) -> int:
        if self.protocol == "s3":  # whose `info` lists what isn't there
            bucket, name, _ = self._system.split_path(self._at(key))
            return int(self._system.call_s3("head_object", Bucket=bucket, Key=name)["ContentLength"])
        return int(self._system.info(self._at(key))["size"])

    def _at(self, key: str) -> str:
        return f"{self._path}/{key}"

    def _stored(self, key: str, once: Callable[[], object], attempts: int) -> None:
        try:
            self._tried("write", key, once, attempts)
        except FileNotFoundError as error:
            raise self._no_bucket("write", key, error) from error

    def _no_bucket(self, what: str, key: str, error: BaseException) -> StorageError:
        return StorageError(
            f"can't {what} {self.url}/{key}: there is no such bucket ({_told(error)}): make it, or name "
            "another"
        )

    def _tried(self, what: str, key: str, once: Callable[[], T], attempts: int = ATTEMPTS) -> T:
        """Try, and again after a pause where another try may help.

        Raises:
            FileNotFoundError, FileExistsError: as the store says.
            StorageError: it can't be had.
        """
        for attempt in range(1, attempts + 1):
            try:
                found = once()
                self._answered = True
                return found
            except FileNotFoundError as error:
                self._answered = True
                if _lacks_bucket(error):
                    raise self._no_bucket(what, key, error) from error
                raise
            except FileExistsError:
                raise
            except Exception as error:
                if not self._answered and type(error).__name__ in _NO_ANSWER:
                    attempts = min(attempts, FIRST_ATTEMPTS)
                if isinstance(error, PermissionError) or type(error).__name__ in _HOPELESS:
                    raise StorageError(
                        f"can't {what} {self.url}/{key}: {_told(error)}: check the bucket's rights and "
                        f"{_given(self.protocol)}"
                    ) from error
                if attempt >= attempts:
                    raise StorageError(
                        f"can't {what} {self.url}/{key}, tried {attempts} times: {_told(error)}: see "
                        f"that the store answers ({_given(self.protocol)}) and give the same command again; "
                        "what is finished is kept"
                    ) from error
                logger.info("%s %s/%s: %s; tried again", what, self.url, key, _told(error))
            longest = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
            self._pause(longest * random.uniform(0.5, 1))  # no result depends on it
        raise AssertionError


class FolderOfObjects:
    """The same in a folder that all who use it see.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, str(path)

    def get(self, key: str) -> bytes | None:
        """An object; None where there is none."""
        try:
            return (self.path / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._cant("read", key, error) from error

    def get_file(self, key: str, path: Path) -> bool:
        """Write an object into a file; whether there was one."""
        import shutil

        try:
            shutil.copyfile(self.path / key, path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def put(self, key: str, content: bytes, *, attempts: int = ATTEMPTS) -> None:
        """Store an object, in place of any other."""
        from congruence.storage.atomic import write_bytes

        write_bytes(self.path / key, content)

    def put_new(self, key: str, content: bytes) -> bool:
        """Store an object where there is none; False: there is one."""
        from congruence.storage.temporary import remove, temporary_beside

        place = self.path / key
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = temporary_beside(place)
            try:
                temporary.write_bytes(content)
                os.link(temporary, place)
            finally:
                remove(temporary)
        except FileExistsError:
            return False
        except OSError:  # no links here
            if place.exists():
                return False
            self.put(key, content)
        return True

    def put_file(self, key: str, path: Path) -> None:
        """Store a file's bytes."""
        import shutil

        from congruence.storage.atomic import atomic_path

        with atomic_path(self.path / key) as temporary:
            shutil.copyfile(path, temporary)

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        try:
            return (self.path / key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._cant("read", key, error) from error

    def _cant(self, what: str, key: str, error: OSError) -> StorageError:
        return StorageError(
            f"can't {what} {self.path / key}: {error.strerror}: make it readable, or name another folder"
        )


def open_objects(place: str) -> Objects:
    """The store at a URL as `normal_url` gives it, or in a folder."""
    return Remote(place) if is_url(place) else FolderOfObjects(Path(place))


def _given(protocol: str) -> str:
    return _CREDENTIALS.get({"abfs": "az"}.get(protocol, protocol), "the store's settings")


def _lacks_bucket(error: BaseException) -> bool:
    """Whether S3 says that it isn't the object alone that is missing."""
    response = getattr(error.__cause__, "response", None) or {}
    return response.get("Error", {}).get("Code") == "NoSuchBucket"


def _told(error: BaseException) -> str:
    told = " ".join(str(error).split())[:200].rstrip(":. ")
    return told or type(error).__name__
