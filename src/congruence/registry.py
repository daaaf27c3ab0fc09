"""Named things of one kind (measures, matchers, filters, nulls, SAE formats), open to other packages."""

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from congruence.errors import ConfigError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from names to things of one kind.

    Other packages add theirs by an entry point in the group ``congruence.<group>``: it is loaded when a
    name is first asked for, and registers itself by being imported.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = f"congruence.{group}"
        self._entries: dict[str, T] = {}
        self._plugins_loaded = False

    def add(self, name: str, entry: T) -> T:
        """Put `entry` on the table; a name may be taken once."""
        if name in self._entries:
            raise ConfigError(f"{self.kind} {name!r} is already registered: choose another name")
        self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of :meth:`add`."""
        return lambda entry: self.add(name, entry)

    def get(self, name: str) -> T:
        """The entry of that name; :class:`ConfigError` names the nearest one otherwise."""
        if name not in self._entries:
            self._load_plugins()
        if name not in self._entries:
            raise ConfigError(unknown_name(self.kind, name, self._entries))
        return self._entries[name]

    def names(self) -> list[str]:
        """All names, in the order of registration."""
        self._load_plugins()
        return list(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _load_plugins(self) -> None:
        if not self._plugins_loaded:
            self._plugins_loaded = True
            for entry_point in entry_points(group=self.group):
                entry_point.load()
