"""The page that holds the package against the standards leaves nothing out, and proves itself."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from tests.documents.blocks import ROOT, text_of

ENTRY = re.compile(r"^(?P<what>\S.*)\n(?P<fields>(?: {4}.*\n)+)", re.MULTILINE)
FIELD = re.compile(r"^ {4}:(.+?): ((?:.*\n)(?: {8}.*\n)*)", re.MULTILINE)
NOTHING = "\N{EN DASH}"

ASVS = [
    *("V7.1.1", "V7.1.2", "V7.1.3", "V7.2.1", "V7.2.2", "V7.2.3", "V7.2.4", "V7.3.1", "V7.3.2"),
    *("V7.4.1", "V7.4.2", "V7.4.3", "V7.4.4", "V7.4.5", "V7.5.1", "V7.5.2", "V7.5.3"),
    *("V7.6.1", "V7.6.2", "V3.3.1", "V3.3.2", "V3.3.3", "V3.3.4", "V3.3.5"),
]
CHEAT_SHEET = [
    *("Session ID Name Fingerprinting", "Session ID Length", "Session ID Entropy"),
    *("Session ID Content (or Value)", "Built-in Session Management Implementations"),
    *("Used vs. Accepted Session ID Exchange Mechanisms", "Transport Layer Security"),
    *("Secure Attribute", "HttpOnly Attribute", "SameSite Attribute"),
    *("Domain and Path Attributes", "Expire and Max-Age Attributes"),
    "Session ID Generation and Verification, Permissive and Strict",
    "Manage Session ID as Any Other User Input",
    "Renew the Session ID After Any Privilege Level Change",
    "Considerations When Using Multiple Cookies",
    *("Idle Timeout", "Absolute Timeout", "Renewal Timeout", "Logout Button"),
    *("Web Content Caching", "Additional Client-Side Defenses"),
    "Session ID Guessing and Brute Force Detection",
    *("Detecting Session ID Anomalies", "Binding the Session ID to Other User Properties"),
    *("Logging Sessions Life Cycle", "Simultaneous Session Logons"),
]
NIST = [
    *("5.1", "5.1 (level)", "5.1 (1)", "5.1 (2)", "5.1 (3)", "5.1 (4)", "5.1 (5)", "5.1 (6)"),
    *("5.1 (erasing)", "5.1 (transport)", "5.1 (forms)", "5.1 (logout)"),
    *(f"5.1.1 ({number})" for number in range(1, 8)),
    *("5.1.2", "5.2 (limits)", "5.2 (activity)", "5.2 (reauthentication)", "5.3"),
]


class Requirement(NamedTuple):
    """What is asked for, and the answer."""

    number: str
    what: str
    fields: dict[str, str]


def requirements() -> list[Requirement]:
    """All that the page has, in its order."""
    return [
        Requirement(number, what, fields_of(match["fields"]))
        for match in ENTRY.finditer(text_of("standards"))
        for number, colon, what in [match["what"].partition(": ")]
        if colon
    ]


def fields_of(text: str) -> dict[str, str]:
    return {name: " ".join(body.split()) for name, body in FIELD.findall(text)}


def test_no_requirement_is_left_out() -> None:
    """Those of the three documents, each once and in the order in which they stand there."""
    assert [one.number for one in requirements()] == [*ASVS, *CHEAT_SHEET, *NIST]


@pytest.mark.parametrize("asked", requirements(), ids=lambda asked: str(asked.number))
def test_a_requirement_has_its_answer(asked: Requirement) -> None:
    """What is done, a test where something is done, and what is left to the application."""
    assert list(asked.fields) == ["Here", "Shown by", "Yours"]
    assert all(asked.fields.values())
    assert asked.fields["Here"] != NOTHING or asked.fields["Yours"] != NOTHING
    if asked.fields["Shown by"] == NOTHING:
        assert asked.fields["Yours"].startswith("All of it.") or asked.fields["Here"] == NOTHING


@pytest.mark.parametrize("asked", requirements(), ids=lambda asked: str(asked.number))
def test_the_tests_that_show_an_answer_are_there(asked: Requirement) -> None:
    """Whoever renames one has to say so on the page."""
    shown = asked.fields["Shown by"]
    found = re.findall(r"``(tests/\S+)``, \*(.+?)\*", shown)
    for file, lesson in found:
        name = lesson.replace(" ", "_")
        assert f"\ndef test_{name}(" in (ROOT / file).read_text("utf-8")
    assert len(found) == shown.count("``") / 2
    assert found or shown == NOTHING
