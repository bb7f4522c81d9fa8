"""A clock that tests move by hand."""


class Clock:
    """Epoch seconds that stand still until `advance` is called."""

    def __init__(self, now: int = 1_800_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: int) -> None:
        """Move by `seconds`, backwards when negative."""
        self.now += seconds
