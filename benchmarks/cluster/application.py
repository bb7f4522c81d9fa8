"""The shop, on a cluster of MariaDB."""

from benchmarks.cluster import failover
from benchmarks.load import application


def serve() -> application.Wsgi:
    """Return what a worker serves."""
    failover.listen()
    return application.serve()
