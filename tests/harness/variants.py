"""Which variants of a test are run, when its parameters multiply to very many.

Faults come from two or three circumstances that meet, hardly ever from six. So of each test those
variants are run in which every two of its parameters meet in every way, the database being one of
them, and every three on whatever database. `--every-variant` runs all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

DATABASE = "database_name"

Variant = Mapping[str, int]
Meeting = tuple[tuple[str, int], ...]


def to_be_run(tests: Iterable[Any]) -> list[Any]:
    """Return pytest's items less those that show nothing more."""
    by_function = defaultdict(list)
    for test in tests:
        by_function[test.nodeid.partition("[")[0]].append(test)
    return [
        alike[place]
        for alike in by_function.values()
        for place in sorted(covering([_variant(test) for test in alike]))
    ]


def _variant(test: Any) -> Variant:
    params = test.callspec.params if hasattr(test, "callspec") else {}
    return {name: id(value) for name, value in params.items()}  # not every value can be compared


def meetings(variant: Variant) -> set[Meeting]:
    """The circumstances that meet in a variant: one, two, and three at a time."""
    facts = sorted(variant.items())
    elsewhere = [fact for fact in facts if fact[0] != DATABASE]
    few = (together for size in (1, 2) for together in combinations(facts, size))
    return {*few, *combinations(elsewhere, 3)}


def covering(variants: Sequence[Variant]) -> set[int]:
    """Return the places of variants in which everything meets that meets in any of them."""
    waiting = [meetings(variant) for variant in variants]
    missing: set[Meeting] = set().union(*waiting)
    chosen = {0}  # a test without parameters has one variant, in which nothing meets
    while missing:
        best = max(range(len(waiting)), key=lambda place: len(waiting[place] & missing))
        missing -= waiting[best]
        chosen.add(best)
    return chosen
