"""Settings that are Python objects, or their dotted names: what each object must be able to do."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import resolve_name
from inspect import signature
from types import ModuleType
from typing import Any

from pyramid.path import package_name

from pyramid_sqlsession.converters import Converter, Refused

_DOTTED_NAME = re.compile(r"\.*[^\W\d]\w*([.:][^\W\d]\w*)*")


def is_path(value: str) -> bool:
    """Tell a dotted name from the plain name of something else."""
    return "." in value or ":" in value


def named_object(name: str, package: ModuleType | str | None) -> Any:
    """Return what `pkg.mod.attr` or `pkg.mod:attr` names; a leading dot is the package.

    Raises Refused; an error other than ImportError in an imported module goes through as it is.
    """
    if not _DOTTED_NAME.fullmatch(name):
        raise Refused("it is not a dotted name")
    if name.startswith(".") and package is None:
        raise Refused("it begins with a dot, and no package is given that this could stand for")
    try:
        return _imported(resolve_name(name, _package_name(package)))
    except ImportError as error:
        raise Refused(str(error)) from error


def _package_name(package: ModuleType | str | None) -> str | None:
    if isinstance(package, ModuleType):
        return str(package_name(package))
    return package


def _imported(name: str) -> Any:
    path, _, attributes = name.partition(":" if ":" in name else ".")
    found = import_module(path)
    for attribute in filter(None, attributes.split(".")):
        path = f"{path}.{attribute}"
        # Raises the ImportError that tells what is missing, here or further in.
        if not hasattr(found, attribute):
            import_module(path)
        found = getattr(found, attribute)
    return found


def _class(value: Any) -> type[Any]:
    if not isinstance(value, type):
        raise Refused(f"it is a {type(value).__name__}, not a class")
    return value


CLASS = Converter("a mapped class or its dotted name, such as myapp.models.WebSession", _class)


def _attribute_or_callable(value: Any) -> Any:
    if callable(value) or (isinstance(value, str) and value.isidentifier()):
        return value
    raise Refused


ATTRIBUTE_OR_CALLABLE = Converter(
    "the name of a request attribute, such as dbsession, or a callable request -> Session or its "
    "dotted name, such as myapp.models.get_dbsession",
    _attribute_or_callable,
)


def takes(function: Any, arguments: int) -> bool:
    """Whether it can be called with so many arguments."""
    try:
        signature(function).bind(*[None] * arguments)
    except (TypeError, ValueError):
        return False
    return True


def _callback(value: Any) -> Any:
    if not callable(value):
        raise Refused(f"it is a {type(value).__name__}, not callable")
    if not (takes(value, 2) or takes(value, 3)):
        raise Refused("it takes other arguments")
    return value


CALLBACK = Converter(
    "a callable (defaults, session) or (defaults, session, request), or its dotted name, such as "
    "myapp.models.fill_session_fields",
    _callback,
)


def _serializer(value: Any) -> Any:
    serializer = _called(value) if isinstance(value, type) else value
    for method in ("dumps", "loads"):
        if not callable(getattr(serializer, method, None)):
            raise Refused(f"it has no method {method}")
    _try_out(serializer)
    return serializer


def _called(serializer_class: type[Any]) -> Any:
    try:
        return serializer_class()
    except Exception as error:  # whatever it is, start-up has to report it
        raise Refused(f"calling it without arguments raised {type(error).__name__}") from error


def _try_out(serializer: Any) -> None:
    try:
        data = serializer.dumps({})
        returned = serializer.loads(data)
    except Exception as error:  # whatever it is, start-up has to report it
        raise Refused(f"to dump and load an empty dict raised {type(error).__name__}") from error
    if not isinstance(data, bytes):
        raise Refused(f"its dumps returned {type(data).__name__}, not bytes")
    if returned != {}:
        raise Refused("an empty dict, dumped and loaded, is not an empty dict any more")


SERIALIZER = Converter(
    "an object with dumps(value) -> bytes and loads(bytes) -> value, a class of such objects, "
    "which is called without arguments, or the dotted name of one of them",
    _serializer,
)
