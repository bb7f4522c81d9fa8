"""A confused subject: the attacker has a say in whose sessions are ended, listed or counted.

MariaDB and MySQL compare a number with a text by making a number of the text: `7abc` is 7, and
`abc` is 0, as is every text with which a column of texts is compared to the number 0.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from pyramid.interfaces import ISessionFactory
from sqlalchemy import BigInteger, Column, Integer, String, text, update
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from pyramid_sqlsession import SessionStore
from tests.attacks.scenes import attacked_app, log_in
from tests.harness import App, MakeApp
from tests.harness.marks import only_on_mariadb
from tests.harness.sessions import model_of

FIELDS = {"user_id": BigInteger, "team": Column(Integer), "login": Column(String(40))}
SEVEN = {"user_id": 7, "team": 70, "login": "seven"}
EIGHT = {"user_id": 8, "team": 80, "login": "eight"}

CONFUSED: list[dict[str, Any]] = [
    *({name: value} for name in ("user_id", "team") for value in ("7abc", "7", "abc", "", "7 ")),
    *({"user_id": value} for value in ("7 OR 1=1", "0x7", "7e0", "%", "\x007", "\uff17")),
    *({"user_id": value} for value in (7.0, 7.4, True, b"7", ["7"], [7, 8], {"gt": 0}, (7,))),
    *({"login": value} for value in (0, 0.0, False, True, b"seven", ["seven"])),
    {"user_id": 7, "login": 0},
    {"user_id": 7, "id": 1},
    {"user_id__gt": 0},
]


def crowded(make_app: MakeApp) -> App:
    """An application with the sessions of two users."""
    app = attacked_app(make_app, settings={"sqlsession.additional_fields": FIELDS})
    for number, fields in enumerate((SEVEN, EIGHT), 1):
        app.another_browser().get(f"/log-in?user={fields['login']}")
        model = model_of(app.registry)
        with Session(app.probe) as dbsession, dbsession.begin():
            dbsession.execute(update(model).where(model.id == number).values(**fields))
    return app


def test_a_subject_of_another_type_ends_nobody(make_app: MakeApp) -> None:
    """It is an error, and in what only reads as well: it never means somebody else."""
    app = crowded(make_app)
    with Session(app.engine) as dbsession, app.statements() as seen:
        store = SessionStore(dbsession, _factory(app))
        for fields in CONFUSED:
            for ask in (store.revoke_all, store.find, store.count):
                with pytest.raises(TypeError):
                    ask(**fields)
    assert seen.texts == []
    assert len(app.rows()) == 2


def test_a_subject_that_a_visitor_has_typed_ends_nobody(make_app: MakeApp) -> None:
    """The mistake that an application makes: what the request holds is text."""

    def log_out_everywhere(request: Any) -> int:
        ended: int = request.session_store.revoke_all(user_id=request.params["user"])
        return ended

    fields = {"sqlsession.additional_fields": FIELDS}
    views = {"/log-in": log_in, "/log-out-everywhere": log_out_everywhere}
    app = attacked_app(make_app, views=views, settings=fields)
    app.get("/log-in?user=alice")
    for typed in ("7abc", "0", "abc"):
        with pytest.raises(TypeError, match="holds int"):
            app.get(f"/log-out-everywhere?user={typed}")
    assert len(app.rows()) == 1


@pytest.mark.parametrize("huge", [2**63, -(2**70), 10**40])
def test_a_subject_beyond_all_numbers_ends_nobody(make_app: MakeApp, huge: int) -> None:
    """Refused by the driver or equal to nothing; never cut to one that is in use."""
    app = crowded(make_app)
    with Session(app.engine) as dbsession:
        with suppress(OverflowError, StatementError):  # as the driver has it
            assert SessionStore(dbsession, _factory(app)).revoke_all(user_id=huge) == 0
            dbsession.commit()
        dbsession.rollback()
    assert len(app.rows()) == 2


@only_on_mariadb
def test_without_that_check_the_database_would_end_somebody_else(make_app: MakeApp) -> None:
    """What is refused above is no theory."""
    app = crowded(make_app)
    with app.probe.connect() as connection:
        for condition in ("user_id = '7abc'", "user_id = '7 OR 1=1'", "login = 0"):
            counting = f"SELECT count(*) FROM sessions WHERE {condition}"
            assert connection.execute(text(counting)).scalar_one() >= 1


def _factory(app: App) -> Any:
    return app.registry.getUtility(ISessionFactory)
