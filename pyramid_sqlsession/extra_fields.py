"""The application's own columns: what its callback says of them at each save, and checks of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from copy import copy, deepcopy
from typing import Any, NamedTuple, cast

from pyramid.request import Request

from pyramid_sqlsession.exceptions import SQLSessionError
from pyramid_sqlsession.model import ATTRIBUTES, SessionMixin, extra_columns, fills_itself
from pyramid_sqlsession.named_objects import takes
from pyramid_sqlsession.record import Record
from pyramid_sqlsession.rows import Row

Fields = Mapping[str, Any]
Callback = Callable[..., Fields | None]

SETTING = "sqlsession.extend_default_fields"


class ExtraFields:
    """The columns that the callback fills; without a callback they are left alone."""

    def __init__(self, model: type[SessionMixin], callback: Callback | None) -> None:
        self._model = model
        self.are_filled = callback is not None
        self._callback = cast(Callback, callback)  # asked only if there is one
        self._takes_request = callback is not None and takes(callback, 3)
        self._columns = {} if callback is None else extra_columns(model)

    def ask(self, defaults: Fields, record: Record, request: Request) -> Fields:
        """Return what the callback says; raise `SQLSessionError` when it must not say that."""
        given = dict(deepcopy(defaults))  # it may change what is in there too
        arguments = (given, record.session, request)[: 3 if self._takes_request else 2]
        returned = self._callback(*arguments)
        if not isinstance(returned, Mapping | None):
            raise SQLSessionError(
                f"{SETTING} returned {type(returned).__name__}, not a mapping or None"
            )
        return self._checked(given if returned is None else returned, defaults)

    def _checked(self, result: Fields, defaults: Fields) -> Fields:
        for name, value in result.items():
            if name in self._columns or (name in defaults and value == defaults[name]):
                continue
            if name in ATTRIBUTES:
                raise SQLSessionError(
                    f"{SETTING} has changed {name!r}, which belongs to the session itself: let it "
                    "fill columns of the application only"
                )
            raise SQLSessionError(
                f"{SETTING} has filled {name!r}, which {self._model.__name__} does not have: "
                f"{self._known()}"
            )
        return {name: result[name] for name in self._columns if name in result}

    def _known(self) -> str:
        names = ", ".join(map(repr, self._columns))
        return f"it can fill {names}" if names else "there is no column that it can fill"

    def complete(self, result: Fields, *, is_new: bool) -> Fields:
        """Return the values to be written, where None is NULL.

        What is left out becomes NULL if it may, so that no value of an earlier save is left
        behind. Raises `SQLSessionError` when a column would be NULL that must not.
        """
        values = {
            name: result.get(name)
            for name, column in self._columns.items()
            if name in result or (column.nullable and not fills_itself(column))
        }
        for name, column in self._columns.items():
            is_due = name in values or (is_new and not fills_itself(column))
            if is_due and not column.nullable and values.get(name) is None:
                raise SQLSessionError(
                    f"{SETTING} has left {name!r} unfilled, which must not be NULL in the table "
                    f"{column.table.fullname!r}"
                )
        return values


class Answer(NamedTuple):
    """What the callback said, and who was logged in then."""

    login: Hashable
    result: Fields


class FieldValues:
    """The values of the extra fields in one request."""

    def __init__(self, fields: ExtraFields, request: Request) -> None:
        self._fields = fields
        self._request = request
        self._answer: Answer | None = None
        self._is_asking = False

    def ask(self, record: Record, row: Row, defaults: Fields) -> Fields:
        """Return what is to be written with `row`; `defaults` are the columns that are ours."""
        if not self._fields.are_filled:
            return {}
        if self._is_asking:
            raise SQLSessionError(f"{SETTING} was called by itself: it must not end a transaction")
        self._is_asking = True
        try:
            result = self._answered(record, row, defaults)
        finally:
            self._is_asking = False
        self._answer = Answer(record.login(row.data), result)
        return self._complete(result, record)

    def _answered(self, record: Record, row: Row, defaults: Fields) -> Fields:
        before = copy(record.state)
        result = self._fields.ask(defaults, record, self._request)
        if record.state != before or not record.holds(row.data):
            raise SQLSessionError(
                f"{SETTING} changed the session that is being saved: only read it"
            )
        return result

    def recall(self, record: Record, row: Row, defaults: Fields) -> Fields:
        """Return what was said earlier in this request, if that is of the same login; else ask.

        There is no transaction, and what the callback asked of the database would open one that
        nobody ends.
        """
        answer = self._answer
        if answer is None or answer.login != record.login(row.data):
            return self.ask(record, row, defaults)
        return self._complete(answer.result, record)

    def _complete(self, result: Fields, record: Record) -> Fields:
        return self._fields.complete(result, is_new=record.current is None)
