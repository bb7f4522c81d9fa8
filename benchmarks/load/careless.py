"""Ways to break the package, each of which the counting must show: it has to be able to fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from pyramid_sqlsession.access import Access
from pyramid_sqlsession.rows import Row, SessionRows


def with_versions() -> None:
    """Write over whatever version there is: changes are lost."""
    careful = SessionRows.update

    def update(rows: SessionRows, connection: Connection, old: Row, *more: Any) -> bool:
        newest = rows.reload(connection, old)
        overwritten = old if newest is None else old._replace(version=newest.version)
        return careful(rows, connection, overwritten, *more)

    _replace(SessionRows, "update", update)


def with_endings() -> None:
    """Delete nothing: sessions come back."""

    def delete(_rows: SessionRows, _connection: Connection, _row: Row) -> None:
        """Do nothing."""

    _replace(SessionRows, "delete", delete)


def with_connections() -> None:
    """Keep one connection of all with a transaction open."""
    careful, kept = Access.save, list[Any]()

    def save(access: Access, *more: Any, **options: Any) -> None:
        careful(access, *more, **options)
        if not kept:
            bind: Any = access._database.bind(access._request)  # noqa: SLF001 - it is broken anyway
            kept.append(bind.connect())
            kept[0].exec_driver_sql("SELECT * FROM notes")

    _replace(Access, "save", save)


def _replace(owner: type, name: str, function: Callable[..., Any]) -> None:
    setattr(owner, name, function)


WAYS = {"versions": with_versions, "endings": with_endings, "connections": with_connections}
