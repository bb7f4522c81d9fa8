"""The panel tells the truth of whatever an application keeps in its sessions, and of several."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from pyramid_sqlsession.expiry import NEVER, Limits
from pyramid_sqlsession.rows import Row
from pyramid_sqlsession.toolbar import changes, statements
from pyramid_sqlsession.toolbar.changes import changes_between, shown
from pyramid_sqlsession.toolbar.moments import moments_of
from tests.harness import MakeApp, only_on_sqlite
from tests.harness.toolbars import listening_toolbar
from tests.test_toolbar import HERE, SETTINGS, page, panel
from tests.test_two_factories import include_second, second


@pytest.fixture(autouse=True)
def _listening() -> Iterator[None]:
    with listening_toolbar():
        yield
    statements.stop_listening()


class Cart:
    """An object that shows where it is in memory, as most do."""

    def __init__(self, *things: str) -> None:
        self.things = things


class Shy:
    """An object that shows nothing."""

    def __repr__(self) -> str:
        raise LookupError


def reloaded(**data: Any) -> Any:
    return pickle.loads(pickle.dumps(data))


def test_an_object_that_is_the_same_has_not_changed() -> None:
    """Though it was loaded twice, and shows itself by its place in memory."""
    before, after = reloaded(cart=Cart("a pear")), reloaded(cart=Cart("a pear"))
    assert changes_between(before, after, pickle.dumps) == []
    more = reloaded(cart=Cart("a pear", "a plum"))
    assert [change[:2] for change in changes_between(before, more, pickle.dumps)] == [
        ("cart", "changed")
    ]


def test_what_cannot_be_compared_is_shown_as_changed() -> None:
    """Rather than that nothing is shown."""
    (change,) = changes_between({"shy": Shy()}, {"shy": Shy()}, pickle.dumps)
    assert change.what == "changed"
    assert change.after == "<Shy, which cannot be shown: LookupError>"


def test_a_value_that_contains_itself_is_shown_somehow() -> None:
    """A serializer may store it."""
    value: dict[str, Any] = {}
    value["self"] = value
    assert "RecursionError" in shown("value", value)


def test_a_key_may_be_anything() -> None:
    """Other serializers than JSON's take keys that are no text; JSON's takes half a character."""
    data = {1: "one", b"two": 2, "\ud83d": 3, None: 4, (5, 6): 7}
    found = changes_between({}, data, pickle.dumps)
    assert [change.key for change in found] == ["1", "b'two'", "\\ud83d", "None", "[5, 6]"]
    assert "".join(map("".join, found)).encode()


def test_a_secret_is_masked_in_a_pair_as_well() -> None:
    """As in the fields of a form that was sent."""
    form = [("name", "Alice"), ("password", "a-password")]
    assert shown("form", form) == f"[['name', 'Alice'], ['password', {changes.MASK}]]"


def test_a_life_may_end_after_the_last_year_of_a_calendar() -> None:
    """Nobody waits for it."""
    row = Row(7, b"the digest", 1, 2, 10 * NEVER, NEVER, 3, b"the data")
    found = moments_of(row, Limits(idle=None, absolute=None), 600, 2)
    assert found[-1].time == "9999-12-31 23:59:59 UTC"


@only_on_sqlite
def test_a_session_that_cannot_be_shown_was_looked_at_nevertheless(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The panel does not say that there was no query."""
    app = make_app(includes=["pyramid_debugtoolbar"], settings=SETTINGS)
    monkeypatch.setattr("pyramid_sqlsession.toolbar.panel.account_of", lambda lifecycle: 1 / 0)
    app.browser.get("/write?x=1", extra_environ=HERE)
    assert "the log says why" in page(app)
    assert "did not look" not in page(app)


@only_on_sqlite
def test_the_statements_of_every_factory_are_shown(make_app: MakeApp) -> None:
    """Each has a class of its own, also when they share a table; what is mere text is nobody's."""

    def write(request: Any) -> None:
        request.session["x"] = 1
        second(request)["y"] = 2
        request.dbsession.connection().exec_driver_sql("SELECT 'sessions'")

    def include_all(config: Any) -> None:
        config.include("pyramid_debugtoolbar")
        include_second(config)

    app = make_app(settings=SETTINGS, views={"/both": write}, configure=include_all)
    app.browser.get("/both", extra_environ=HERE)
    assert len(panel(app).accounts) == 2
    assert [one.text.split()[0] for one in panel(app).statements] == ["INSERT", "INSERT"]
