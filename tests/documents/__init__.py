"""The code blocks of the documents: finding them, and running each in the project of its page.

A block that has a caption (in README.rst a name) is a file, which is written into the project.
A caption may end in `(at the top)` or `(at the end)`: then the block is added to the file. Other
blocks are run, each in the order of the page: Python in an open transaction of the page's
application, console commands in its folder, and settings are read as at start-up.

A block that cannot run says so in a comment before it: `.. not run: it takes the network`.
"""

from tests.documents.blocks import README, Block, blocks_of, pages, text_of
from tests.documents.project import Project, entered
from tests.documents.starter import begin_project

__all__ = [
    "README",
    "Block",
    "Project",
    "begin_project",
    "blocks_of",
    "entered",
    "pages",
    "text_of",
]
