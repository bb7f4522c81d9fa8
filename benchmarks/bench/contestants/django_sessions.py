"""Django, and its sessions in the database: `django.contrib.sessions.backends.db`.

A view is not wrapped in a transaction, as is Django's default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import path

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Framework, Handling, Page, Place

urlpatterns: list[Any] = []  # what ROOT_URLCONF names


def make(place: Place) -> App:
    """Have sessions."""
    configure(place, ["django.contrib.sessions.middleware.SessionMiddleware"])
    return finished(framework().pages(Handling(refresh=refresh)))


def without(place: Place) -> App:
    """Have none."""
    configure(place, [])
    return finished(framework().plain())


def configure(place: Place, middleware: Sequence[str]) -> None:
    """Configure Django, whose settings are those of the process."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {**_database(place["url"]), "CONN_MAX_AGE": None}},
        INSTALLED_APPS=["django.contrib.sessions"],
        MIDDLEWARE=middleware,
        ROOT_URLCONF=__name__,
        SECRET_KEY="a secret of the benchmark",
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path[1:]}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
    }


def framework() -> Framework:
    """Return what Django has; a model can be made only now."""

    class Thing(models.Model):  # type: ignore[misc]  # Django is not where the checks run
        name = models.TextField()

        class Meta:
            app_label = "benchmark"
            db_table = "things"
            managed = False

    return Framework(
        answer=HttpResponse,
        query=lambda _request: str(Thing.objects.get(id=1).name),
        parameter=lambda request: str(request.GET["key"]),
    )


def refresh(request: HttpRequest) -> None:
    """Save as with SESSION_SAVE_EVERY_REQUEST, which is Django's idle refresh."""
    request.session.modified = True


def finished(pages: Mapping[str, Page]) -> App:
    """Return the application with these pages."""
    urlpatterns.extend(path(name, page) for name, page in pages.items())
    app: App = get_wsgi_application()
    return app
