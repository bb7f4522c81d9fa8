"""What a visitor may do to a session, and what that means for its journal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from benchmarks.load.life import Life


@dataclass(frozen=True)
class Act(ABC):
    """One request; the token is noted by the application in the same transaction."""

    token: str

    @property
    def path(self) -> str:
        """What is asked for."""
        return f"{type(self).__name__.lower()}?{urlencode(self.parameters())}"

    def parameters(self) -> dict[str, str]:
        """What is asked with."""
        return {"token": self.token}

    @abstractmethod
    def happened(self, life: Life, body: Any) -> None:
        """Note that it was acknowledged, with this answer."""

    @abstractmethod
    def may_have_happened(self, life: Life) -> None:
        """Note that it cannot be known."""


@dataclass(frozen=True)
class Keyed(Act, ABC):
    """One that is about a key."""

    key: str

    def parameters(self) -> dict[str, str]:
        """Tell the key too."""
        return {**super().parameters(), "key": self.key}

    def may_have_happened(self, life: Life) -> None:
        """Trust nothing under the key any more."""
        life.uncertain.add(self.key)


class Add(Keyed):
    """Put the token under a key."""

    def happened(self, life: Life, body: Any) -> None:  # noqa: ARG002 - as Act has it
        """It must be there."""
        life.values[self.key] = self.token


class Remove(Keyed):
    """Take a key away."""

    def happened(self, life: Life, body: Any) -> None:  # noqa: ARG002 - as Act has it
        """It must not come back."""
        life.values.pop(self.key, None)
        life.removed.add(self.key)


class Flash(Act):
    """Leave a message."""

    def happened(self, life: Life, body: Any) -> None:  # noqa: ARG002 - as Act has it
        """It must be shown once, or still be there."""
        life.messages.add(self.token)

    def may_have_happened(self, life: Life) -> None:
        """It must not be shown twice."""
        life.uncertain_messages.add(self.token)


class Show(Act):
    """Show the messages; the application notes nothing."""

    def happened(self, life: Life, body: Any) -> None:
        """They must not be shown again."""
        life.shown.extend(body)

    def may_have_happened(self, life: Life) -> None:
        """Whatever was there may be gone."""
        life.uncertain_messages |= life.messages
        life.messages = set()


class Count(Act):
    """Count up."""

    def happened(self, life: Life, body: Any) -> None:  # noqa: ARG002 - as Act has it
        """It must add up."""
        life.counted += 1

    def may_have_happened(self, life: Life) -> None:
        """It may add up."""
        life.uncertain_counted += 1
