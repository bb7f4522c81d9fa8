"""Who is compared: the application of each contestant, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.bench.workloads import SIZES, WORKLOADS

BOTH = ("sqlite", "postgresql")
SERVER = ("postgresql",)
OWN, REDIS, EXPRESS = "", "redis", "express"  # environments; our own is where the driver runs
FLOOR, SERVED_FLOOR = "floor", "served-floor"
COSTS, COUNTS, PARALLEL, MEMORY = SECTIONS = ("cost", "counts", "parallel", "memory")
MEASURED = (COSTS, COUNTS)
RACED = (*MEASURED, PARALLEL)


@dataclass(frozen=True)
class Contestant:
    """An application, and where and how it takes part.

    `program` is a factory in `contestants`, or a store of `express/server.js`. `baseline` names
    the same application without sessions; it is empty for one that has none.
    """

    name: str
    title: str
    program: str
    baseline: str = "none"
    environment: str = OWN
    sections: tuple[str, ...] = MEASURED
    databases: tuple[str, ...] = BOTH
    payloads: tuple[str, ...] = tuple(SIZES)
    refreshes: bool = True  # has an idle refresh, which is measured as m
    is_served: bool = False  # asked over HTTP

    @property
    def floor(self) -> str:
        """Name the floor that it is compared with."""
        return SERVED_FLOOR if self.is_served else FLOOR

    @property
    def workloads(self) -> tuple[str, ...]:
        """Name the pages that it is asked for."""
        if not self.baseline:
            return ("x", "page")
        return tuple(name for name in WORKLOADS if name != "m" or self.refreshes)


def _served(name: str, title: str, program: str, baseline: str = "served-none") -> Contestant:
    return Contestant(
        *(name, title, program, baseline),
        sections=(COSTS,),
        databases=SERVER,
        refreshes=False,
        is_served=True,
    )


def _express(name: str, title: str, program: str, baseline: str = "express") -> Contestant:
    return Contestant(
        *(name, title, program, baseline, EXPRESS),
        sections=RACED if baseline else MEASURED,
        databases=SERVER,
        refreshes=False,  # they refresh, but their clock cannot be moved
        is_served=True,
    )


ROSTER = (
    Contestant("none", "Pyramid without sessions", "shape:make", baseline=""),
    Contestant(
        *("signed-cookie", "Pyramid's signed cookie", "signed_cookie:make"),
        payloads=("small",),  # a cookie has 4 kB
    ),
    Contestant(*(FLOOR, "floor", "floor:make"), sections=(*RACED, MEMORY), refreshes=False),
    Contestant(
        *("floor-like-ours", "floor on a table like ours", "floor:like_ours"), refreshes=False
    ),
    Contestant("raw-driver", "raw driver", "raw_driver:make", refreshes=False),
    Contestant(
        *("sqlsession", "pyramid_sqlsession", "sqlsession:make"), sections=(*RACED, MEMORY)
    ),
    Contestant("sqlsession-encrypted", "with encryption", "sqlsession:encrypted"),
    Contestant("sqlsession-apart", "with its own engine", "sqlsession:apart"),
    Contestant(
        *("sqlsession-retry", "with on_conflict = retry", "sqlsession:repeating"),
        sections=(PARALLEL,),
    ),
    Contestant(
        *("unprotected", "floor without a version check", "floor:unprotected"),
        sections=(PARALLEL,),
    ),
    Contestant(
        *("beaker", "pyramid_beaker on SQL", "beaker:make"), environment="beaker", sections=RACED
    ),
    Contestant(
        *("redis", "pyramid_session_redis", "redis_sessions:make"),
        environment=REDIS,
        sections=RACED,
        databases=SERVER,
    ),
    Contestant(
        *("django", "Django without sessions", "django_sessions:without"),
        baseline="",
        environment="django",
    ),
    Contestant(
        *("django-sessions", "Django's database sessions", "django_sessions:make", "django"),
        environment="django",
        sections=RACED,
    ),
    Contestant(
        *("flask", "Flask without sessions", "flask_sessions:without"),
        baseline="",
        environment="flask",
    ),
    Contestant(
        *("flask-session", "Flask-Session on SQLAlchemy", "flask_sessions:make", "flask"),
        environment="flask",
        sections=RACED,
    ),
    _served("served-none", "Pyramid without sessions", "shape:make", baseline=""),
    _served(SERVED_FLOOR, "floor", "floor:make"),
    _served("served-sqlsession", "pyramid_sqlsession", "sqlsession:make"),
    _express("express", "Express without sessions", "none", baseline=""),
    _express("connect-session-sequelize", "connect-session-sequelize", "sequelize"),
    _express("connect-pg-simple", "connect-pg-simple", "pg-simple"),
)
CONTESTANTS = {contestant.name: contestant for contestant in ROSTER}


def chosen(names: list[str] | None) -> list[Contestant]:
    """Return those that are named, and what they are compared with; None means all."""
    if names is None:
        return list(ROSTER)
    wanted = {*names, *(CONTESTANTS[name].floor for name in names)}
    wanted |= {CONTESTANTS[name].baseline for name in wanted}
    return [contestant for contestant in ROSTER if contestant.name in wanted]
