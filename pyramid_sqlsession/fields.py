"""The application's own columns of the mapped class: which there are, and what they can equal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ColumnElement, inspect

from pyramid_sqlsession.model import ATTRIBUTES, SessionMixin, python_type

# What a column takes besides values of its own Python type, and loses nothing by.
ALSO_TAKEN: dict[type, tuple[type, ...]] = {float: (int,), Decimal: (int,)}


class Fields:
    """The columns that the application has added to `model`, by the names of their attributes."""

    def __init__(self, model: type[SessionMixin]) -> None:
        self._model = model
        columns: Mapping[str, Column[Any]] = inspect(model).columns
        self._types = {
            name: python_type(column) for name, column in columns.items() if name not in ATTRIBUTES
        }

    def where(self, fields: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        """Return the conditions that rows have these values, None being NULL.

        Raises `TypeError` for what no row could ever have: a database would merely find nothing,
        or worse, convert the value and find something else.
        """
        for name, value in fields.items():
            self._check(name, value)
        return [getattr(self._model, name) == value for name, value in fields.items()]

    def _check(self, name: str, value: Any) -> None:
        if name not in self._types:
            raise TypeError(f"{name!r} is no field of {self._model.__name__}: {self._known()}")
        wanted = self._types[name]
        if value is not None and wanted is not None and not _fits(value, wanted):
            raise TypeError(
                f"{self._model.__name__}.{name} holds {wanted.__name__}, and nothing there can "
                f"equal {value!r}, which is {type(value).__name__}: convert it, or give None for "
                "NULL"
            )

    def _known(self) -> str:
        if not self._types:
            return "the application has added no column to it"
        return f"the application has added {', '.join(self._types)}"


def _fits(value: Any, wanted: type) -> bool:
    # By the letter of Python a bool is an int and a datetime a date; no caller means that.
    if isinstance(value, bool) or (isinstance(value, datetime) and wanted is date):
        return wanted is bool
    return isinstance(value, (wanted, *ALSO_TAKEN.get(wanted, ())))
