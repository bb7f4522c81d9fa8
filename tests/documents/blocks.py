"""Reading the documents: their code blocks, and what is said about each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = "README.rst"

_BLOCK = re.compile(
    r"(?:^\.\. not run: (?P<excuse>.+\n(?: {3}.+\n)*)\n)?"
    r"^\.\. code-block:: (?P<language>\S+)\n"
    r"(?P<options>(?: {3}:.+\n)*)\n"
    r"(?P<code>(?:(?: {3}.*)?\n)+)",
    flags=re.MULTILINE,
)


class Block(NamedTuple):
    """A code block: where it is, and the file that it is, or else an empty text."""

    page: str
    line: int
    language: str
    file: str
    excuse: str
    code: str

    @property
    def place(self) -> str:
        """Where a reader finds it."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """The names of all pages of the documentation."""
    return sorted(path.stem for path in DOCS.glob("*.rst"))


def text_of(page: str) -> str:
    """What is written there; the README is a page too."""
    path = ROOT / README if page == README else DOCS / f"{page}.rst"
    return path.read_text("utf-8")


def blocks_of(page: str) -> list[Block]:
    """The code blocks of a page, in their order."""
    text = text_of(page)
    return [_block(page, text, match) for match in _BLOCK.finditer(text)]


def _block(page: str, text: str, match: re.Match[str]) -> Block:
    options: dict[str, str] = dict(re.findall(r":([\w-]+): *(.*)", match["options"]))
    return Block(
        page=page,
        line=text.count("\n", 0, match.start("code")) + 1,
        language=match["language"],
        file=options.get("caption") or options.get("name", ""),
        excuse=" ".join((match["excuse"] or "").split()),
        code=_unindented(match["code"]),
    )


def _unindented(code: str) -> str:
    return re.sub(r"^ {3}", "", code, flags=re.MULTILINE).strip("\n") + "\n"
