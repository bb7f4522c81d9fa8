"""What an application needs to go from one node of MariaDB to another, without a proxy.

A url names the nodes in the order in which they are tried::

    mysql+pymysql://user:password@/shop?hosts=db1:3306,db2:3306,db3:3306&connect_timeout=2

With `pool_pre_ping`, a connection to a node that died is replaced by one to the next. Importing
this module is enough.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Dialect, ExceptionContext

NOT_PREPARED = 1047  # the node has left the cluster, or has not yet joined it


@event.listens_for(Engine, "do_connect")
def connect_to_one(
    dialect: Dialect, _record: Any, _arguments: Any, parameters: dict[str, Any]
) -> Any:
    """Return a connection to the first of the url's `hosts` that serves; None without any."""
    options = dict(parameters)
    hosts = options.pop("hosts", None)
    if hosts is None:
        return None  # SQLAlchemy connects as usual
    last: Exception | None = None
    for address in hosts.split(","):
        host, _, port = address.partition(":")
        try:
            return _ready(dialect, dialect.connect(host=host, port=int(port), **options))
        except dialect.loaded_dbapi.OperationalError as error:
            last = error
    assert last is not None
    raise last


def _ready(dialect: Dialect, connection: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'wsrep_ready'")
        if cursor.fetchone() == ("wsrep_ready", "ON"):
            return connection
    connection.close()
    raise dialect.loaded_dbapi.OperationalError(NOT_PREPARED, "the node is not ready")


@event.listens_for(Engine, "handle_error")
def leave_a_node_that_is_not_ready(context: ExceptionContext) -> None:
    """Replace the connections to it: it still answers a ping."""
    if context.original_exception.args[:1] == (NOT_PREPARED,):
        context.is_disconnect = True
