"""Set-Cookie headers as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SetCookie:
    """One Set-Cookie header; attribute names in lower case, a flag's value is the empty string."""

    name: str
    value: str
    attributes: dict[str, str]

    @property
    def deletes(self) -> bool:
        """Whether the header tells the browser to forget the cookie."""
        return self.value == "" and self.attributes.get("max-age") == "0"


def parse(header: str) -> SetCookie:
    """Split one Set-Cookie header."""
    pair, *rest = header.split(";")
    name, _, value = pair.partition("=")
    attributes = {}
    for part in rest:
        key, _, text = part.strip().partition("=")
        attributes[key.lower()] = text
    return SetCookie(name.strip(), value.strip(' "'), attributes)


def set_cookies(response: Any, name: str) -> list[SetCookie]:
    """Return what `response` says about the cookie `name`."""
    parsed = [parse(header) for header in response.headers.getall("Set-Cookie")]
    return [cookie for cookie in parsed if cookie.name == name]
