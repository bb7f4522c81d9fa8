"""Migrations of an application of the cookiecutter's shape, which has mapped the mixin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, text
from sqlalchemy.pool import NullPool

from tests.cookiecutter import models
from tests.harness import Database

# What the cookiecutter's env.py does once the settings are read.
ENV = """
from alembic import context

config = context.config

with config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, target_metadata=config.attributes["metadata"])
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    """An engine of a database without any table."""
    with database.probe().begin() as connection:
        connection.execute(text("DROP TABLE notes"))
    engine = models.get_engine({"sqlalchemy.url": database.url, "sqlalchemy.poolclass": NullPool})
    yield engine
    engine.dispose()


@pytest.fixture
def alembic(engine: Engine, tmp_path: Path) -> Config:
    """The migrations of the guest book, of which there are none yet."""
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    config = Config(attributes={"engine": engine, "metadata": models.Base.metadata})
    template = Path(config.get_template_directory(), "generic", "script.py.mako")
    (folder / "script.py.mako").write_text(template.read_text())
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return config


@pytest.fixture
def migrated(alembic: Config) -> Config:
    """The same with one migration, written and carried out."""
    command.revision(alembic, "add web_sessions", autogenerate=True)
    command.upgrade(alembic, "head")
    return alembic


def written(alembic: Config) -> str:
    """The one migration."""
    [path] = Path(str(alembic.get_main_option("script_location")), "versions").glob("*.py")
    return path.read_text()


def test_after_the_upgrade_there_is_nothing_left_to_migrate(migrated: Config) -> None:
    """Nor when it is asked again."""
    for _ in range(2):
        command.check(migrated)


def test_the_migration_does_not_import_us(migrated: Config) -> None:
    """It works when the package is long gone."""
    assert "web_sessions" in written(migrated)
    assert "sqlsession" not in written(migrated)


def test_the_names_follow_the_convention(migrated: Config, engine: Engine) -> None:
    """In the migration and in the database."""
    names = ["uq_web_sessions_digest", "ix_web_sessions_expires", "ix_web_sessions_previous"]
    for name in [*names, "pk_web_sessions"]:
        assert name in written(migrated)
    found = inspect(engine)
    indexes: list[Any] = [
        *found.get_indexes("web_sessions"),
        *found.get_unique_constraints("web_sessions"),
    ]
    assert sorted({item["name"] for item in indexes}) == sorted(names)


def test_the_way_back_leaves_nothing(migrated: Config, engine: Engine) -> None:
    """What a migration makes it can remove."""
    command.downgrade(migrated, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
