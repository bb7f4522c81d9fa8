"""Rows of sessions, written in bulk behind the application's back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from pyramid.interfaces import ISessionFactory
from sqlalchemy import Engine, insert, inspect


def model_of(registry: Any) -> Any:
    """Return the mapped class of an application's sessions."""
    return registry.getUtility(ISessionFactory).model


def write_rows(engine: Engine, model: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert sessions; what a row does not say is that of one which ended at the epoch."""
    columns = inspect(model).columns
    usual = {
        "previous": None,
        "rotated": None,
        "created": 0,
        "lifetime": None,
        "expires": 0,
        "accessed": 0,
        "version": 1,
        "data": "{}",
    }
    values = [
        {**usual, "id": number, "digest": sha256(b"%d" % number).digest(), **row}
        for number, row in enumerate(rows, 1)
    ]
    statement = insert(columns["id"].table)
    named = [{columns[name].key: value for name, value in row.items()} for row in values]
    with engine.begin() as connection:
        connection.execute(statement, named)
