"""The project of a page: its files, its application, and the running of its blocks."""

from __future__ import annotations

import doctest
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pyramid.paster import get_app
from pyramid.scripting import prepare

from tests.documents.blocks import Block
from tests.documents.commands import run_command
from tests.documents.settings import check_settings
from tests.engines import connecting_engines

INI = "development.ini"
PAGE = "page"  # a module, as mapped classes have to be in one
SECTION = "[app:main]\n"
AT_THE_TOP, AT_THE_END = " (at the top)", " (at the end)"


@contextmanager
def entered(folder: Path) -> Iterator[Project]:
    """Make the project in `folder` the present one; its modules and connections go in the end."""
    with pytest.MonkeyPatch.context() as patch, connecting_engines():
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        project = Project(folder)
        yield project
        project.forget()
        del sys.modules[PAGE]


class Project:
    """A project in `folder`, the present directory; what its page says is done to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._page = sys.modules[PAGE] = ModuleType(PAGE)  # where its Python defines things
        self._app: Any = None

    def run(self, block: Block) -> None:
        """Do what the block says, or write the file that it is."""
        if block.file:
            self.write(block.file, block.code)
        else:
            RUNNERS[block.language](self, block)

    # Its files

    def write(self, caption: str, code: str) -> None:
        """Write a file, or add to one; settings without a section are the application's."""
        name, text = self._written(caption, code)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        self.forget()

    def _written(self, caption: str, code: str) -> tuple[str, str]:
        for suffix in (AT_THE_TOP, AT_THE_END):
            if caption.endswith(suffix):
                name = caption.removesuffix(suffix)
                parts = [code, self._text(name)]
                return name, "\n".join(parts if suffix == AT_THE_TOP else reversed(parts))
        if caption.endswith(".ini") and not code.startswith("["):
            return caption, self._text(INI).replace(SECTION, SECTION + code)
        return caption, code

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    # Its application

    @property
    def app(self) -> Any:
        """The WSGI application, as its files now are; its tables are there."""
        if self._app is None:
            self._app = get_app(str(self.folder / INI))
            self._create_tables()
        return self._app

    def _create_tables(self) -> None:
        """Leave that to the migrations, if there are any."""
        if not list((self.folder / "myapp/alembic/versions").glob("*.py")):
            metadata = importlib.import_module("myapp.models.meta").Base.metadata
            metadata.create_all(self._app.registry["dbsession_factory"].kw["bind"])

    def forget(self) -> None:
        """Have all modules of the project imported anew."""
        self._app = None
        models = sys.modules.get("myapp.models.meta")
        if models is not None:  # else a class that cannot be mapped is in the way of all others
            models.Base.registry.dispose()
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(str(self.folder)):
                del sys.modules[name]

    @contextmanager
    def _knowing(self) -> Iterator[dict[str, Any]]:
        """Lend what Python blocks may use: a `request`, in a transaction that is committed."""
        with prepare(registry=self.app.registry) as env, env["request"].tm:
            self._page.__dict__["request"] = env["request"]
            yield self._page.__dict__

    # Its blocks

    def execute(self, block: Block) -> None:
        """Run Python."""
        with self._knowing() as known:
            exec(compile(block.code, block.place, "exec"), known)

    def converse(self, block: Block) -> None:
        """Run what stands behind the prompts of a Python shell, and compare what it answers."""
        parsed = doctest.DocTestParser().get_doctest(
            block.code, {}, block.place, block.place, block.line
        )
        with self._knowing() as known:
            parsed.globs = known
            runner = doctest.DebugRunner(optionflags=doctest.ELLIPSIS)
            runner.run(parsed, clear_globs=False)

    def configure(self, block: Block) -> None:
        """Let whoever reads these settings judge them."""
        parser = ConfigParser(interpolation=None)
        parser.read_string(block.code if block.code.startswith("[") else SECTION + block.code)
        for section in parser.sections():
            check_settings(section, dict(parser[section]))

    def command(self, block: Block) -> None:
        """Carry out the commands, and compare what is printed with what is shown."""
        for line in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
            command, _, shown = line.partition("\n")
            self.forget()
            run_command(command, shown)


RUNNERS: dict[str, Callable[[Project, Block], None]] = {
    "python": Project.execute,
    "pycon": Project.converse,
    "ini": Project.configure,
    "console": Project.command,
}
