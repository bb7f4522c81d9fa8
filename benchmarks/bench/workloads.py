"""What is asked of every contestant, and what its sessions hold; the same in all environments."""

from __future__ import annotations

import json
from typing import Any

# Each is a page. The last two run a query of the application's own: after and before the session.
WORKLOADS = {
    "x": "a cookie is sent, the session is not looked at",
    "r": "one key is read",
    "w": "one is added to a counter, by a form",
    "n": "a session begins",
    "m": "r with the idle refresh on, at one request a second",
    "page": "r, then a query that the page makes anyway",
    "late": "the same query, then r",
}
FORMS = {"/w", "/add"}  # sent with POST
UNCOUNTED = 5  # requests after another contestant's turn, until the processor's caches are warm
NOBODYS = f"session={'A' * 43}"  # the cookie that an application without sessions is sent
REFRESHED_AFTER = 1  # second between two requests of the workload m
SIZES = {"small": 300, "large": 20_000}  # bytes of JSON
COUNTER, TEXT = "counter", "locale"
ITEM = {"article": "A-1000", "name": "A thing to take home", "quantity": 1, "price": "12.50"}


def content(payload: str) -> dict[str, Any]:
    """Return what a session holds: a counter, and a cart that fills most of its size."""
    cart: list[dict[str, Any]] = []
    held = {COUNTER: 0, TEXT: "en_GB", "cart": cart, "note": ""}
    step = len(json.dumps(ITEM)) + len(", ")
    cart.extend(dict(ITEM) for _ in range((SIZES[payload] - len(json.dumps(held))) // step))
    held["note"] = "x" * (SIZES[payload] - len(json.dumps(held)))
    return held


def page(workload: str, payload: str) -> str:
    """Return the path of the page; only the one that begins a session depends on the payload."""
    return f"/n-{payload}" if workload == "n" else f"/{workload}"


def method(path: str) -> str:
    """Return how a page is asked for."""
    return "POST" if path in FORMS else "GET"
