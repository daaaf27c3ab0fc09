"""Named things of one kind, such as measures or SAE formats, on a table that other packages can add to."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from congruence.display import html_table
from congruence.errors import ConfigError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from names to things of one kind.

    Other packages add theirs by an entry point in the group ``congruence.<group>``: it is loaded when a name
    that isn't known yet is first asked for, or all names are, and registers itself by being imported.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = f"congruence.{group}"
        self._entries: dict[str, T] = {}
        self._plugins_loaded = False
        self._broken: str | None = None

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
        """The entry of that name.

        Raises:
            ConfigError: there is none (the message names the nearest one), or a plugin is broken.
        """
        if name not in self:
            raise ConfigError(unknown_name(self.kind, name, self._entries))
        return self._entries[name]

    def names(self) -> list[str]:
        """All names, in the order of registration."""
        self._load_plugins()
        return list(self._entries)

    def __repr__(self) -> str:
        return f"Registry({self.kind}: {', '.join(self._entries) or 'nothing yet'})"

    def _repr_html_(self) -> str:
        """Every name with the first line of what it says of itself, for a notebook."""
        rows = [(name, _first_line(entry)) for name, entry in self._entries.items()]
        return html_table(f"{len(rows)} registered: {self.kind}", rows, most=len(rows))

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        if name not in self._entries:
            self._load_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _load_plugins(self) -> None:
        """Import what other packages add, once; a broken one is told each time, until it is mended."""
        if not self._plugins_loaded:
            self._plugins_loaded = True  # first: a plugin may ask for names while it is imported
            for entry_point in entry_points(group=self.group):
                self._load(entry_point)
        if self._broken:
            raise ConfigError(self._broken)

    def _load(self, entry_point: EntryPoint) -> None:
        try:
            entry_point.load()
        except Exception as error:  # whatever goes wrong inside is the plugin's
            package = entry_point.dist.name if entry_point.dist else entry_point.module
            told = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
            self._broken = self._broken or " ".join(
                f"package {package!r} can't add its {self.kind} {entry_point.name!r} "
                f"({entry_point.value}): {told}: update or uninstall the package".split()
            )


def _first_line(entry: object) -> str:
    told = entry.__doc__ if isinstance(entry, type) or callable(entry) else type(entry).__doc__
    return (told or "").strip().split("\n", 1)[0]
