"""Serves an application over HTTP, in the process that calls it, by one thread of waitress."""

from __future__ import annotations

import logging
import threading

import waitress

from benchmarks.bench.asking import App


def serve(app: App) -> int:
    """Serve from now on; return the port."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # one thread is what is wanted
    server = waitress.create_server(
        app,
        host="127.0.0.1",
        port=0,
        threads=1,
        channel_timeout=600,  # others have their turns meanwhile
    )
    threading.Thread(target=server.run, daemon=True).start()
    return int(server.effective_port)
