"""What the harness leaves out of tests with very many variants."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product

import pytest

from tests.harness.variants import DATABASE, covering

SIZES = {"database_name": 3, "manager": 2, "visitor": 2, "on_abort": 3, "end": 10}
VARIANTS = [
    dict(zip(SIZES, places, strict=True)) for places in product(*map(range, SIZES.values()))
]


def those_that_meet(names: tuple[str, ...], places: Iterable[int]) -> set[tuple[int, ...]]:
    """How the parameters of these names meet in the variants of these places."""
    return {tuple(VARIANTS[place][name] for name in names) for place in places}


@pytest.mark.parametrize("number", [2, 3])
def test_what_is_left_out_shows_nothing_that_is_not_run(number: int) -> None:
    """Every two parameters meet in every way, and every three on whatever database."""
    chosen = covering(VARIANTS)
    for names in combinations(SIZES, number):
        if number == 2 or DATABASE not in names:
            assert those_that_meet(names, chosen) == those_that_meet(names, range(len(VARIANTS)))


def test_of_very_many_variants_few_are_run() -> None:
    """Those of a test with five parameters, without a day of waiting."""
    assert len(covering(VARIANTS)) < len(VARIANTS) / 3


@pytest.mark.parametrize("names", ["", "a", "ab", "abc"])
def test_of_three_parameters_besides_the_database_every_variant_is_run(names: str) -> None:
    """And of a test with none the only one."""
    variants = [
        dict(zip(names, places, strict=True)) for places in product(range(2), repeat=len(names))
    ]
    assert covering(variants) == set(range(len(variants)))
