"""What hypothesis chooses from; what shall come often is there more than once."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st

from tests.properties.visits import Move

TAKE_TOKEN = ("put", "buy", "flash")  # each value and message is another one

# What a view does: mostly plain changes, now and then what ends a session or gives it a new id

PLAIN: list[Move] = [
    *product(["put", "put", "delete", "put_the_same"], ["a", "b"]),
    *product(["flash", "flash", "flash", "show", "show"], [""]),
    *[("buy",), ("buy",)],
]
SPECIAL: list[Move] = [
    *product(["log_in"], ["alice", "bob"]),
    *product(["set_expiration"], [None, 30, 120]),  # seconds
    *[("forget",), ("clear",), ("changed",), ("regenerate_id",)],
    *[("skip_touch",), ("invalidate",)] * 3,
]
KNOWN: list[Move] = [("put", "a"), ("put", "b"), ("flash", "")]
BEGINNINGS: list[list[Move]] = [[], KNOWN, [*KNOWN, ("log_in", "alice")]]

LOOK: list[Move] = [("look",)]
some = st.sampled_from(PLAIN * 5 + SPECIAL)
some_moves = st.one_of(
    st.just(LOOK),
    st.lists(some, max_size=3),  # without any, the session is not looked at
    st.lists(some, min_size=1, max_size=3),
)

# How it goes on, and how long that takes

REVOCATIONS = ["revoke_all", "revoke_others"]
STAY = "stay"  # in the view
ENDS = [*[STAY] * 20, *["finish"] * 14, *["crash"] * 2, "fail", "doom", *REVOCATIONS]
PAUSES = [*[0] * 40, *[1, 9, 10] * 4, 20, 30, 59, 60, 99, 100, 150]  # seconds
SELDOM = [*[False] * 9, True]
