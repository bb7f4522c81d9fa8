"""Imports go one way: the modules stand in layers, and none knows a layer above its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "pyramid_sqlsession"

LAYERS = (
    {
        *("converters", "encryption", "events", "exceptions", "expiry", "merge"),
        *("session", "session_id", "statements", "transactions", "watched_dict"),
    },
    {"named_objects"},
    {"contradictions", "encryption_keys", "extra_columns", "model", "refusals", "serializers"},
    {"settings"},
    {"advice", "cookie", "data_column", "introspection", "joining", "row_statements"},
    {"rows"},
    {"database"},
    {"expired_rows", "fields", "logins", "record", "states"},
    {"access", "announcing", "extra_fields", "loading", "saving", "store"},
    {"lifecycle", "tweens", "watch"},
    {"factory", "request_store", "walks"},
    {"census", "pruning", "reencryption"},
    {"pruner"},
    {"__init__", "scripts", "testing", "toolbar"},
)

FORBIDDEN_PACKAGES = {
    "cookie": {"sqlalchemy", "transaction"},
    "expiry": {"pyramid", "sqlalchemy", "transaction", "webob"},
    "merge": {"pyramid", "sqlalchemy", "transaction", "webob"},
    "session": {"sqlalchemy", "transaction", "webob"},
    "session_id": {"pyramid", "sqlalchemy", "transaction", "webob"},
    "rows": {"webob"},
    "store": {"webob"},
}


def read_sources() -> dict[str, str]:
    """The package's source, by path within the package."""
    root = Path(__file__).parents[1] / PACKAGE
    return {
        path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.rglob("*.py")
    }


def module_of(dotted_name: str) -> str:
    """The part of a name within the package that has a place in the layers."""
    return dotted_name.partition(".")[0] or "__init__"


def imported_names(path: str, source: str) -> Iterator[str]:
    """The absolute name of whatever the file imports, wherever in the file that happens."""
    package = [PACKAGE, *path.split("/")[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*start, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def imports_within(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Which modules of the package each module imports."""
    modules = {module_of(path.removesuffix(".py").replace("/", ".")) for path in sources}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for path, source in sources.items():
        importer = module_of(path.removesuffix(".py").replace("/", "."))
        for name in imported_names(path, source):
            if name == PACKAGE or name.startswith(f"{PACKAGE}."):
                imported = module_of(name.removeprefix(PACKAGE).lstrip("."))
                graph[importer].add(imported if imported in modules else "__init__")
        graph[importer].discard(importer)
    return graph


def layer_of(module: str) -> int:
    return next((level for level, names in enumerate(LAYERS) if module in names), -1)


def find_faults(sources: Mapping[str, str]) -> list[str]:
    """One sentence for every import that goes the wrong way and every module without a place."""
    graph = imports_within(sources)
    homeless = [f"{name} has no place in the layers" for name in graph if layer_of(name) < 0]
    upward = [
        f"{importer} imports {imported}"
        for importer, every_imported in graph.items()
        for imported in every_imported
        if 0 <= layer_of(importer) < layer_of(imported)
    ]
    return sorted(homeless + upward + find_cycle(graph))


def find_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return ["a circle: " + " imports ".join(reversed(error.args[1]))]
    return []


def find_strangers(sources: Mapping[str, str]) -> list[str]:
    """One sentence for every outside package that a module must not know, but imports."""
    return sorted(
        f"{path} imports {name}"
        for path, source in sources.items()
        for name in imported_names(path, source)
        if name.partition(".")[0] in FORBIDDEN_PACKAGES.get(path.removesuffix(".py"), set())
    )


def test_imports_go_one_way() -> None:
    """No module of the package imports from a layer above its own, nor in a circle."""
    assert find_faults(read_sources()) == []


def test_modules_do_not_know_what_is_not_their_subject() -> None:
    """The session knows no SQL, the cookie no rows, the pure functions no framework."""
    assert find_strangers(read_sources()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from .store import SessionStore",
        "from . import store",
        "import pyramid_sqlsession.store",
        "from pyramid_sqlsession.store import SessionStore",
        "from pyramid_sqlsession import store",
        "def load():\n    from .store import SessionStore",
        "if TYPE_CHECKING:\n    from .store import SessionStore",
    ],
)
def test_an_import_from_a_higher_layer_is_a_fault_however_it_is_written(statement: str) -> None:
    """Absolute or relative, late or for annotations only: the module would know its caller."""
    sources = {"store.py": "", "session.py": statement}
    assert find_faults(sources) == ["session imports store"]


def test_the_front_door_is_not_for_the_modules_behind_it() -> None:
    """A public name taken from the package itself counts as importing `__init__`."""
    sources = {"__init__.py": "", "store.py": "from . import SQLSession"}
    assert find_faults(sources) == ["store imports __init__"]


def test_modules_of_one_layer_must_not_import_each_other_in_a_circle() -> None:
    """One may know the other; both together would be one module in two files."""
    one_way = {"session.py": "from . import expiry", "expiry.py": ""}
    circle = one_way | {"expiry.py": "from . import session"}
    assert find_faults(one_way) == []
    [fault] = find_faults(circle)
    assert fault in {
        "a circle: session imports expiry imports session",
        "a circle: expiry imports session imports expiry",
    }


def test_a_script_may_import_everything_and_nothing_may_import_a_script() -> None:
    """Modules of a subpackage take that subpackage's place, their relative imports included."""
    script = {"scripts/prune_sessions.py": "from ..store import SessionStore", "store.py": ""}
    assert find_faults(script) == []
    script["store.py"] = "from .scripts.prune_sessions import main"
    assert "store imports scripts" in find_faults(script)


def test_a_new_module_needs_a_place_in_the_layers() -> None:
    """A module nobody has placed is a fault, not an exception from the rule."""
    assert find_faults({"util.py": ""}) == ["util has no place in the layers"]


def test_an_outside_package_that_a_module_must_not_know_is_a_fault() -> None:
    """The same import is right in one module and wrong in the other."""
    sources = {"session.py": "from sqlalchemy import select", "store.py": "import sqlalchemy"}
    assert find_strangers(sources) == ["session.py imports sqlalchemy.select"]
