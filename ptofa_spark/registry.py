"""What can be chosen by name: models, data sets, allocation methods. Each is one module and one line of a registry.

A registry holds names of modules and imports one of them only when it is asked for. A `--help` is then fast, and the
settings of a job know nothing of what they name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """The one line. module: below the registry's package; help: what `--help` says."""

    module: str
    help: str


@dataclass(frozen=True)
class Registry(Mapping[str, Entry]):
    """Modules by name, in the order in which users see them.

    what: a noun for messages; package: of the modules; declares: the variable that each module sets; entries: by name.

    >>> SHAPES = Registry("shape", "shapes", "SHAPE", {"round": Entry("circle", "a circle"), "flat": Entry("line", "")})
    >>> SHAPES.known("round"), list(SHAPES), SHAPES.help
    ('round', ['round', 'flat'], 'round: a circle; flat: ')
    >>> SHAPES.known("square")
    Traceback (most recent call last):
    ...
    ValueError: no shape has this name: choose one of round, flat
    """

    what: str
    package: str
    declares: str
    entries: Mapping[str, Entry]

    def __getitem__(self, name: str) -> Entry:
        return self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def help(self) -> str:
        """Each name and what it is, for a setting's description."""
        return "; ".join(f"{name}: {entry.help}" for name, entry in self.items())

    def choices(self, *also: str) -> str:
        """The way out of an unknown name. also: names that are allowed beside."""
        return f"choose one of {', '.join([*also, *self])}"

    def known(self, name: str, *also: str) -> str:
        """The name, if it is allowed.

        Args:
            name: as the user gives it.
            also: names that are allowed beside.

        Raises:
            ValueError: it is not. As a validator of a setting this becomes a `ConfigError` that names the setting.
        """
        if name not in self and name not in also:
            raise ValueError(f"no {self.what} has this name: {self.choices(*also)}")
        return name

    def load(self, name: str, kind: type[T]) -> T:
        """What the module of that name declares.

        Args:
            name: one of the registry's.
            kind: the type that it must have.

        Raises:
            ValueError: no entry has the name.
            TypeError: the module declares nothing, or something else. An error of its author, not of its user.
        """
        module = import_module(f"{self.package}.{self[self.known(name)].module}")
        declared = getattr(module, self.declares, None)
        if not isinstance(declared, kind):
            raise TypeError(
                f"module {module.__name__}: {self.declares} is {declared!r}, expected a {kind.__name__}: "
                f"set {self.declares} = {kind.__name__}(...)"
            )
        return declared
