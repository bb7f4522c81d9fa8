"""What should not be done, each of which must be noticed: the checks have to be able to fail."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam

from benchmarks.load.application import Wsgi
from pyramid_sqlsession import saving
from pyramid_sqlsession.rows import SessionRows


def acknowledging_everything(shop: Wsgi) -> Wsgi:
    """Answer additions as if nothing had failed."""

    def acknowledge(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return shop(environ, start_response)
        except Exception:
            if environ["PATH_INFO"] != "/add":
                raise
            start_response("200 OK", [("Content-Type", "application/json")])
            return [b"null"]

    return acknowledge


def move_times_back() -> None:
    """Write down each use with the time that it is now, whatever was written before."""
    careful: Any = SessionRows.__init__

    def init(rows: Any, *more: Any) -> None:
        careful(rows, *more)
        used: dict[Any, Any] = {rows.table.c.accessed: bindparam("new_accessed")}
        rows._save = rows._save.values(used)  # noqa: SLF001 - it is broken anyway

    vars(saving)["max"] = lambda _before, now: now
    broken: Any = SessionRows
    broken.__init__ = init
