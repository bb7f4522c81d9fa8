"""What an object shows of itself and of what it is made of, as a debugger would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

from pyramid_sqlsession.lifecycle import LIFECYCLES
from tests.leaks.errors import shown

_of_factories: WeakKeyDictionary[Any, set[int]] = WeakKeyDictionary()


def shown_of_request(request: Any) -> Iterator[str]:
    """What a request shows that has used its session; the environ is the browser's."""
    yield repr(request)
    lifecycles = vars(request)[LIFECYCLES]
    seen = {id(request)}
    for factory in lifecycles:
        yield from _shown_of_factory(factory)
        seen |= _of_factories[factory]
    own = [value for name, value in vars(request).items() if name != "environ"]
    for value in [*own, *lifecycles.values()]:
        yield from looked_into(value, seen)


def _shown_of_factory(factory: Any) -> Iterator[str]:
    """Once for each, as it outlives the requests."""
    if factory not in _of_factories:
        seen: set[int] = set()
        yield from looked_into(factory, seen)
        _of_factories[factory] = seen


def looked_into(value: Any, seen: set[int]) -> Iterator[str]:
    """The `repr` of an object, and those of all that belongs to it and is the package's."""
    yield shown(value)
    if id(value) in seen or not type(value).__module__.startswith("pyramid_sqlsession"):
        return
    seen.add(id(value))
    for part in _parts(value):
        yield from looked_into(part, seen)


def _parts(value: Any) -> Iterator[Any]:
    """Its attributes; an item of a tuple or a mapping is shown by the `repr` of the whole."""
    yield from getattr(value, "__dict__", {}).values()
    for kind in type(value).__mro__:
        names = kind.__dict__.get("__slots__", ())
        yield from (getattr(value, name, None) for name in names)
