"""What keeps a test from waiting for locks."""

from __future__ import annotations

from typing import Any

# `connect_args` with which each database gives up soon. MariaDB knows whole seconds only.
IMPATIENT: dict[str, dict[str, Any]] = {
    "sqlite": {"timeout": 0.1},
    "postgresql": {"options": "-c lock_timeout=100ms"},
    "mariadb": {"init_command": "SET innodb_lock_wait_timeout = 1"},
}
