"""Count the processor's instructions in a request, to compare commits exactly.

    python -m benchmarks.instructions [--workloads r w] [--requests 50] [COMMIT ...]

Valgrind counts what the process itself executes: the same number again for the same code, whatever
else the machine is doing. Time in the kernel is not in it, so it says nothing about a disk. Each
commit's package is measured with the benchmark of this work tree, on SQLite; without a commit, the
package of this work tree is. The application without sessions is not subtracted.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench.asking import ask, environ_of, visit
from benchmarks.bench.workloads import SIZES, content, page
from benchmarks.programs import program

ROOT = Path(__file__).parents[1]
WORKLOADS = ("x", "r", "w", "n")
WARM = 20  # requests until everything is compiled and cached
CHILD = """
import sys
sys.path[:0] = sys.argv[1:3]
from benchmarks.instructions import visit_often
visit_often(*sys.argv[3:])
"""


def visit_often(url: str, workload: str, requests: str) -> None:
    """Ask an application for a page; this is what is counted."""
    from benchmarks.bench.contestants.sqlsession import make  # noqa: PLC0415 - of the commit

    contents = {payload: content(payload) for payload in SIZES}
    app = make({"url": url, "redis": None, "contents": contents})
    cookie = ask(app, environ_of(page("n", "small"))).cookie
    environ = environ_of(page(workload, "small"), "" if workload == "n" else cookie)
    for _ in range(WARM + int(requests)):
        visit(app, environ)


def counted(package: Path, workload: str, requests: int) -> int:
    """Return the instructions of a process that asks so often."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/sessions.sqlite"
        child = [sys.executable, "-W", "ignore", "-c", CHILD, str(package), str(ROOT), url]
        done = subprocess.run(
            [
                *(program("valgrind", "valgrind"), "--tool=callgrind"),
                *("--callgrind-out-file=/dev/null", *child, workload, str(requests)),
            ],
            env={"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        sys.exit(done.stderr)
    return int(found.group(1))


def per_request(package: Path, workload: str, requests: int) -> int:
    """Return what one request takes when the application is warm."""
    counted(package, workload, 0)  # compiles the modules
    more = counted(package, workload, requests) - counted(package, workload, 0)
    return more // requests


def report(name: str, package: Path, workloads: Sequence[str], requests: int) -> None:
    """Print a line."""
    cells = [f"{each} {per_request(package, each, requests):,}" for each in workloads]
    print(f"{name:20} {'   '.join(cells)}", flush=True)


def unpack(commit: str, folder: Path) -> None:
    """Put the package as it was at a commit into a folder."""
    git = program("git", "git")
    archive = subprocess.run(
        [git, "archive", commit, "pyramid_sqlsession"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    subprocess.run(
        [program("tar", "tar"), "-x", "-C", str(folder)], input=archive.stdout, check=True
    )


def main() -> None:
    """Measure this work tree, or each commit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commits", nargs="*", metavar="COMMIT")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS)
    parser.add_argument("--requests", type=int, default=50)
    options = parser.parse_args()
    print(f"Instructions in a request, of {options.requests}")
    for commit in options.commits:
        with tempfile.TemporaryDirectory() as folder:
            unpack(commit, Path(folder))
            report(commit, Path(folder), options.workloads, options.requests)
    if not options.commits:
        report("this work tree", ROOT, options.workloads, options.requests)


if __name__ == "__main__":
    main()
