"""What several of these tests draw from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

Drawn = TypeVar("Drawn")

CHARACTERS = st.characters(exclude_categories=())  # NUL and half of a pair, too
TEXTS = st.text(CHARACTERS, max_size=8)
NUMBERS = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Containers as JSON knows them, with keys of which it makes text."""
    keys = TEXTS | st.none() | st.booleans() | st.integers(-9, 9)
    several = st.lists(inner, max_size=3)
    return several | several.map(tuple) | st.dictionaries(keys, inner, max_size=3)


JSON_VALUES = st.recursive(SCALARS, nested, max_leaves=4)
JSON_OBJECTS = st.dictionaries(TEXTS, JSON_VALUES, max_size=3)


def one_in(strategies: Sequence[st.SearchStrategy[Drawn]]) -> st.SearchStrategy[Drawn]:
    """Draw from one of them; one that stands there twice comes twice as often."""
    return st.sampled_from(strategies).flatmap(lambda strategy: strategy)


@st.composite
def edited(draw: st.DrawFn, texts: st.SearchStrategy[str], *, most: int = 3) -> str:
    """Texts with a few characters more, fewer, or other ones."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, most))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 1))
        text = text[:start] + draw(st.text(CHARACTERS, max_size=2)) + text[start + length :]
    return text
