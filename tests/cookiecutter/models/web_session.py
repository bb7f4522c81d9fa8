"""The visitors' sessions, in a table of the application."""

from pyramid_sqlsession import SessionMixin
from tests.cookiecutter.models.meta import Base


class WebSession(SessionMixin, Base):
    """A visitor's session."""

    __tablename__ = "web_sessions"
