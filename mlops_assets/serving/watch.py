"""A version that took over is watched for some minutes beside the one before it, which answers where it fails."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from mlops_assets.governance.rollout import surely_fails
from mlops_assets.serving.released import Current

# So long a version is watched, and the one before it stays loaded.
WATCHED_SECONDS = 600.0
# It may fail in so many of the requests that the one before it answers; stopped by mistake once in so many swaps.
FAILS, RISK = 0.01, 0.001


@dataclass
class Watch:
    """former: the version before. requests, errors: of the one that took over; what both fail in is not its error."""

    current: Current
    former: Current
    since: float = field(default_factory=time.monotonic)
    requests: int = 0
    errors: int = 0

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self.since >= WATCHED_SECONDS

    def is_of(self, current: Current) -> bool:
        """Whether it watches this version."""
        return current.released is self.current.released

    def answered(self) -> None:
        """The version answered a request."""
        self.requests += 1

    def failed(self) -> None:
        """It did not, and the one before it did."""
        self.requests += 1
        self.errors += 1

    def verdict(self) -> str | None:
        """Why the version before is to reign again; None while it is not."""
        if not surely_fails(self.requests, self.errors, share=FAILS, risk=RISK):
            return None
        version = self.current.released.release.version
        return (
            f"version {version} failed in {self.errors} of its first {self.requests:,} requests, which version "
            f"{self.former.released.release.version} answered; more than {FAILS:.0%} is too much"
        )
