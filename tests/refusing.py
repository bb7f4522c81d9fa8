"""What a converter says of a value that it does not accept."""

from __future__ import annotations

from typing import Any

import pytest

from pyramid_sqlsession.converters import Converter, Refused


def refused(converter: Converter, value: Any) -> str:
    """Return the reason for which the value is refused."""
    with pytest.raises(Refused) as info:
        converter.convert(value)
    return str(info.value)
