"""What an application needs to go from one node of MariaDB to another, without a proxy.

A url names the nodes, in the order in which they are tried::

    mysql+pymysql://user:password@/shop?hosts=db1:3306,db2:3306,db3:3306
        &connect_timeout=2&read_timeout=10&init_command=SET SESSION wsrep_sync_wait = 7

Call `listen` once, before the first connection; set `pool_pre_ping`, so that a connection to a
node that is gone is replaced by one to the next.
"""

from __future__ import annotations

import time
from typing import Any

from pymysql.connections import Connection
from pymysql.err import OperationalError
from sqlalchemy import Engine, event
from sqlalchemy.engine import Dialect, ExceptionContext

DEADLOCK = 1213
NOT_PREPARED = 1047  # the node has left the cluster, or has not yet joined it
AVOIDED = 30.0  # seconds for which a node that did not serve is tried last

_avoided_until: dict[str, float] = {}


class NodeConnection(Connection):  # type: ignore[misc]  # pymysql is not annotated
    """A connection to one node."""

    def rollback(self) -> None:
        """Roll back, or hang up: what cannot be rolled back must not hide why it has to be.

        A node that has rolled back for another node's sake may answer so, and one that has left
        the cluster takes no command at all.
        """
        if not self.open:
            return
        try:
            super().rollback()
        except OperationalError as error:
            if error.args[0] not in {DEADLOCK, NOT_PREPARED}:
                raise
            if error.args[0] == NOT_PREPARED:
                self.close()


def listen(engine: Engine | type[Engine] = Engine) -> None:
    """Let an engine, or every engine, understand `hosts`."""
    event.listen(engine, "do_connect", connect_to_one)
    event.listen(engine, "handle_error", leave_a_node_that_is_not_ready)


def connect_to_one(
    _dialect: Dialect | None, _record: Any, _arguments: Any, parameters: dict[str, Any]
) -> NodeConnection | None:
    """Return a connection to the first of the url's `hosts` that serves; None without any."""
    options = dict(parameters)
    hosts = options.pop("hosts", None)
    if hosts is None:
        return None  # SQLAlchemy connects as usual
    failed: Exception | None = None
    now = time.monotonic()
    for address in sorted(hosts.split(","), key=lambda one: _avoided_until.get(one, 0) > now):
        try:
            return connect(address, options)
        except OperationalError as error:  # noqa: PERF203 - each node has its chance
            _avoided_until[address] = now + AVOIDED
            failed = error
    assert failed is not None
    raise failed


def connect(address: str, options: dict[str, Any]) -> NodeConnection:
    """Return a connection to this node; raise `OperationalError` when it is not ready."""
    host, _, port = address.partition(":")
    connection = NodeConnection(host=host, port=int(port), **options)
    with connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'wsrep_ready'")
        if cursor.fetchone() == ("wsrep_ready", "ON"):
            return connection
    connection.close()
    raise OperationalError(NOT_PREPARED, f"{address} is not ready")


def leave_a_node_that_is_not_ready(context: ExceptionContext) -> None:
    """Replace the connections to it, though it still answers a ping."""
    if context.original_exception.args[:1] == (NOT_PREPARED,):
        context.is_disconnect = True
