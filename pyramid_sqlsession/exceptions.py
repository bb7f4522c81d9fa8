"""The family of errors; `SQLSessionError` is the root of all of them."""

from __future__ import annotations

from pyramid.exceptions import ConfigurationError
from transaction.interfaces import TransientError


class SQLSessionError(Exception):
    """Something that a session needs could not be done."""


class SettingsError(
    SQLSessionError,
    ConfigurationError,  # type: ignore[misc]  # an untyped package has it
):
    """The settings, or the mapped class they name, cannot work; the message lists all faults."""


class SessionConflict(
    SQLSessionError,
    TransientError,  # type: ignore[misc]  # an untyped package has it
):
    """Another transaction was in the way of saving the session; the request may be repeated."""


class UnstorableValueError(SQLSessionError, TypeError, ValueError):
    """A value of the session cannot be serialised; the message names its key, never the value."""
