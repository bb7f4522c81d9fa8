"""The addresses of the guest book."""

from typing import Any


def includeme(config: Any) -> None:
    """Add them."""
    config.add_route("visits", "/")
    config.add_route("sign", "/sign/{name}")
    config.add_route("leave", "/leave")
