"""The README, read: its blocks, its sections, its tables."""

from __future__ import annotations

import re
from pathlib import Path

from tests.documents import README as README_FILE
from tests.documents import Block, blocks_of, text_of

ROOT = Path(__file__).parents[2]
README = text_of(README_FILE)


def blocks(language: str) -> list[Block]:
    """All code blocks in one language."""
    return [block for block in blocks_of(README_FILE) if block.language == language]


def named(name: str) -> str:
    """The code of the block with that name."""
    [code] = [block.code for block in blocks_of(README_FILE) if block.file == name]
    return code


def section(title: str) -> str:
    """What stands under a headline."""
    _, _, rest = README.partition(f"\n{title}\n{'-' * len(title)}\n")
    assert rest, f"there is no section {title!r}"
    return re.split(r"\n\n\n(?=.+\n-+\n)", rest)[0]


def table(title: str) -> list[list[str]]:
    """The rows of the first table under a headline, without the quotes of literals."""
    lines = section(title).splitlines()
    first, *_, last = (number for number, line in enumerate(lines) if is_rule(line))
    starts = [match.start() for match in re.finditer("=+", lines[first])]
    rows: list[list[str]] = []
    for line in filter(None, lines[first:last]):
        cells = cells_of(line, starts)
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [f"{a} {b}".strip() for a, b in zip(rows[-1], cells, strict=True)]
    return [row for row in rows if not is_rule(row[0])]


def is_rule(line: str) -> bool:
    return re.fullmatch(r"=+( +=+)*", line) is not None


def cells_of(line: str, starts: list[int]) -> list[str]:
    ends = [*starts[1:], None]
    return [line[a:b].replace("``", "").strip() for a, b in zip(starts, ends, strict=True)]


def literals() -> set[str]:
    """Whatever stands in double backquotes."""
    return {re.sub(r"\s+", " ", text) for text in re.findall(r"``([^`]+)``", README)}


def quoted_messages() -> list[str]:
    """The messages of the section on errors, each on one line."""
    paragraphs = re.findall(r"((?:^ {4}.*\n?)+)", section("Errors"), flags=re.MULTILINE)
    return [squeezed(paragraph) for paragraph in paragraphs]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
