"""The ring of keys, and the setting that it is made of."""

from __future__ import annotations

import secrets
import subprocess
import sys
from base64 import b64decode, urlsafe_b64encode
from typing import Any

import pytest

from pyramid_sqlsession.encryption import KeyRing, may_be_sealed
from pyramid_sqlsession.exceptions import SettingsError
from pyramid_sqlsession.introspection import shown_settings
from pyramid_sqlsession.settings import parse_settings

OLD, NEW = b"o" * 32, b"n" * 32
ROW: Any = {"digest": b"d" * 32, "created": 1_700_000_000}
RING = KeyRing([OLD])
DATA = b'{"card":"TREASURE"}'
SEALED_EARLIER = "AXMHCC94sSPQZAk9su9KJLsT0S+NvD9GWbrUWYki575yzbqYmFDYEDWM3ygkmAxjg8MR4w=="


def opened(sealed: bytes, ring: KeyRing = RING, **other: Any) -> bytes | None:
    return ring.open(sealed, **{**ROW, **other})


# The ring


def test_what_is_sealed_for_a_row_opens_there() -> None:
    """Data of any length, none too."""
    for data in (DATA, b"", b"x" * 1_000_000):
        assert opened(RING.seal(data, **ROW)) == data


def test_what_was_sealed_by_an_earlier_version_opens() -> None:
    """Whatever is changed in the form, the derivation or the binding would end all sessions."""
    assert opened(b64decode(SEALED_EARLIER)) == DATA


def test_nothing_of_the_data_is_to_be_seen() -> None:
    """But its length, to the byte."""
    sealed = RING.seal(DATA, **ROW)
    assert b"TREASURE" not in sealed
    assert len(sealed) == len(DATA) + 33


def test_the_same_data_is_never_sealed_the_same() -> None:
    """Else who reads the table could tell that something came back, or that two are alike."""
    assert len({RING.seal(DATA, **ROW) for _ in range(1000)}) == 1000


def test_what_was_changed_by_one_bit_does_not_open() -> None:
    """Wherever it is: in the form, the name of the key, the nonce, the data or the tag."""
    sealed = RING.seal(DATA, **ROW)
    for place in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[place // 8] ^= 1 << place % 8
        assert opened(bytes(changed)) is None, place


def test_what_was_cut_or_lengthened_does_not_open() -> None:
    """Down to nothing at all."""
    sealed = RING.seal(DATA, **ROW)
    assert [n for n in range(len(sealed)) if opened(sealed[:n]) is not None] == []
    assert opened(sealed + b"\0") is None


@pytest.mark.parametrize("other", [{"digest": b"e" * 32}, {"created": ROW["created"] - 1}])
def test_what_was_sealed_for_another_row_does_not_open(other: dict[str, Any]) -> None:
    """Nor does it when the row says that it began at another time, and may live on longer."""
    assert opened(RING.seal(DATA, **ROW), **other) is None


def test_the_first_key_seals_and_all_open() -> None:
    """A key is changed by putting the new one first."""
    both = KeyRing([NEW, OLD])
    assert opened(RING.seal(DATA, **ROW), both) == DATA
    sealed = both.seal(DATA, **ROW)
    assert opened(sealed, KeyRing([NEW])) == DATA
    assert opened(sealed) is None


def test_the_name_of_another_key_opens_nothing() -> None:
    """The name is authenticated with the rest; it only saves trying them all."""
    both = KeyRing([NEW, OLD])
    old, new = RING.seal(DATA, **ROW), both.seal(DATA, **ROW)
    assert opened(new[:5] + old[5:], both) is None


def test_it_is_told_which_key_has_sealed() -> None:
    """So that nothing is sealed anew in vain."""
    sealed = RING.seal(DATA, **ROW)
    assert RING.is_newest(sealed)
    assert not KeyRing([NEW, OLD]).is_newest(sealed)


def test_no_serialised_session_looks_as_if_it_were_sealed() -> None:
    """JSON does not begin so, nor a pickle of any protocol."""
    assert may_be_sealed(RING.seal(DATA, **ROW))
    assert not [data for data in (DATA, b"", b"\x80\x05}", b"(dp0\n.") if may_be_sealed(data)]


# The setting


def text_of(key: bytes) -> str:
    return urlsafe_b64encode(key).decode()


def parsed(value: Any) -> KeyRing:
    ring = parse_settings({"sqlsession.encryption_keys": value}).encryption_keys
    assert ring is not None
    return ring


@pytest.mark.parametrize(
    "value",
    [
        f"{text_of(NEW)}\n\n  {text_of(OLD)}\n",
        text_of(NEW).rstrip("=") + "\n" + text_of(OLD),
        [text_of(NEW), text_of(OLD).rstrip("=")],
    ],
)
def test_keys_stand_one_a_line_or_in_a_list(value: Any) -> None:
    """The = at the end may be left out, as token_urlsafe does."""
    ring = parsed(value)
    assert opened(ring.seal(DATA, **ROW), KeyRing([NEW])) == DATA
    assert opened(RING.seal(DATA, **ROW), ring) == DATA


def test_a_key_is_made_as_the_error_says() -> None:
    """The command is the one that makes a secret."""
    assert len(parsed(secrets.token_urlsafe(32))) == 1


LEAK = "LEAK" + "k" * 38


@pytest.mark.parametrize(
    "value",
    [
        "LEAK",
        LEAK + "AA",
        LEAK[:-1] + "A",
        LEAK + "B",  # bits that 32 bytes do not have
        LEAK + "A==",
        LEAK + " A",
        LEAK[:-1] + "+A",
        LEAK[:-1] + "éA",
        f"{text_of(OLD)}\n{LEAK}",
        f"{text_of(OLD)} {LEAK}A",
        [LEAK + "A\n"],
        [text_of(OLD), ""],
    ],
)
def test_a_key_of_another_length_or_form_is_refused_without_showing_it(value: Any) -> None:
    """The remedy is a command that makes a good one."""
    with pytest.raises(SettingsError, match=r"encryption_keys = .not shown. is refused") as info:
        parsed(value)
    assert "a key in it is not 32 bytes in url-safe base64" in str(info.value)
    assert "secrets.token_urlsafe(32)" in str(info.value)
    assert "LEAK" not in str(info.value)


@pytest.mark.parametrize("value", ["", " \n", [], None, 1, [OLD], OLD])
def test_keys_that_are_not_there_are_refused(value: Any) -> None:
    """An environment variable that is not set must not have sessions saved as plain text."""
    with pytest.raises(SettingsError, match="encryption_keys"):
        parsed(value)


def test_a_key_that_stands_twice_is_refused() -> None:
    """Somebody meant to add another one."""
    with pytest.raises(SettingsError, match="two keys in it are the same"):
        parsed([text_of(OLD), text_of(OLD).rstrip("=")])


def test_neither_repr_nor_introspection_shows_a_key() -> None:
    """In no spelling."""
    settings = parse_settings({"sqlsession.encryption_keys": text_of(OLD)})
    for shown in (repr(settings), repr(RING), str(shown_settings(settings))):
        assert text_of(OLD)[:8] not in shown
        assert "oooo" not in shown
    assert shown_settings(settings)["encryption_keys"] == "(not shown)"


def test_without_the_package_start_up_stops_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Together with whatever else is wrong."""
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(SettingsError, match=r'pip install "pyramid_sqlsession\[encryption\]"'):
        parsed(text_of(OLD))


def test_the_package_need_not_be_there_without_keys() -> None:
    """It is an extra."""
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "import pyramid_sqlsession as p\n"
        "p.session_factory_from_settings({'sqlsession.sqlalchemy.url': 'sqlite://'})"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
