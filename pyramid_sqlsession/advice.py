"""What start-up says about settings that are allowed, and rarely meant in production."""

from __future__ import annotations

from collections.abc import Iterator

from pyramid_sqlsession.settings import SessionSettings


def advice_on(settings: SessionSettings) -> Iterator[str]:
    """Yield a sentence or two for each setting that leaves sessions less safe than they can be."""
    if settings.cookie_secure is False:
        yield (
            "sqlsession.cookie_secure is false: browsers send the session's cookie by plain http "
            "too, where others can read it. Leave it at auto, or set it to true where visitors "
            "come by https"
        )
    if settings.expiration is None and settings.absolute_expiration is None:
        yield (
            "neither sqlsession.expiration nor sqlsession.absolute_expiration is a time: sessions "
            "never end by themselves, and a stolen cookie is worth something for ever. Set one"
        )
