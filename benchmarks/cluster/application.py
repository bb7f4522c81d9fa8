"""The shop, on a cluster of MariaDB."""

from benchmarks.cluster import failover
from benchmarks.load.application import serve

__all__ = ["failover", "serve"]
