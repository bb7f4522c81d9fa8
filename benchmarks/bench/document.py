"""The files that `docs/benchmarks.rst` includes: tables, chart, and what they were made with."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import text

from benchmarks.bench import chart, environments
from benchmarks.bench.cost import Costs
from benchmarks.bench.places import Places, connected
from benchmarks.bench.roster import CONTESTANTS, OWN, SECTIONS
from benchmarks.bench.tables import Finding, Row
from benchmarks.load.report import table

NAMES = {OWN: "this package and Pyramid"}


class Document:
    """A folder for what is included."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write_findings(self, section: str, findings: Sequence[Finding]) -> None:
        """Write the tables of a section."""
        self._write(section, "\n\n".join(finding.rendered() for finding in findings))

    def write_setting(self, setting: str, left_out: Mapping[str, str]) -> None:
        """Write what a run was made with, and leave no figures of another where there are none."""
        self._write("setting", setting)
        for section in SECTIONS:
            if section in left_out:
                self._write(section, f"Left out: {left_out[section]}.")

    def _write(self, name: str, content: str) -> None:
        (self._folder / f"{name}.rst.inc").write_text(f"{content}\n")

    def draw(self, costs: Costs) -> str:
        """Draw the chart; return why it is left out, if that is so."""
        try:
            chart.draw(costs, self._folder / "cost.svg")
        except ImportError:
            return "matplotlib is not installed"
        return ""


def keep(costs: Costs, path: Path) -> None:
    """Write all times that were taken as JSON."""
    taken = [
        {"contestant": name, "database": database, "workload": workload, "payload": payload}
        | {"costs": [asdict(cost) for cost in costs]}
        for (name, database, workload, payload), costs in costs.taken.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(taken))


def setting(places: Places, stated: Mapping[str, int], left_out: Mapping[str, str]) -> str:
    """Say what a run is made with."""
    numbers = "".join(f"* {number:,} {words}\n" for words, number in stated.items())
    load = f"load {os.getloadavg()[0]:.1f} when it began"
    parts = [f"{os.cpu_count()} processors, {platform.system()}, {load}:", numbers]
    if left_out:
        missing = "".join(f"* {title}: {reason}\n" for title, reason in left_out.items())
        parts += ["Left out, as something could not be had:", missing]
    return "\n\n".join([*parts, table(_versions(places))])


def _versions(places: Places) -> list[Row]:
    names = dict.fromkeys(contestant.environment for contestant in CONTESTANTS.values())
    installed = {NAMES.get(name, name): environments.versions(name) for name in names}
    return [
        Row({"Environment": name, "Versions": ", ".join(f"{k} {v}" for k, v in found.items())})
        for name, found in {"servers": _servers(places), **installed}.items()
        if found
    ]


def _servers(places: Places) -> dict[str, str]:
    found = {"SQLite": sqlite3.sqlite_version}
    if places.server:
        with connected(places.server) as server:
            found["PostgreSQL"] = _number(server.execute(text("SHOW server_version")).scalar_one())
    for name, command in {"Redis": "redis-server", "Node": "node"}.items():
        if shutil.which(command):
            found[name] = _said_version(command)
    return found


def _said_version(command: str) -> str:
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    return _number(said.stdout)


def _number(said: str) -> str:
    found = re.search(r"[0-9]+(\.[0-9]+)+", said)
    return found.group() if found else said.strip()
