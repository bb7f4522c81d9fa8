"""What the shop sells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tea:
    """A tea on the shelf; the price is in cents."""

    key: str
    name: str
    price: int


TEAS = {
    tea.key: tea
    for tea in (
        Tea("assam", "Assam, second flush", 790),
        Tea("sencha", "Sencha from Uji", 1250),
        Tea("oolong", "Oolong, Iron Goddess", 1480),
        Tea("rooibos", "Rooibos with vanilla", 560),
    )
}
