"""What was passed over, how often, and why."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Skips(Counter[str]):
    """Counts by reason, each with the message of its first case, which says what the count alone does not.

    Attributes:
        first: message of the first case by reason.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, str] = {}

    def add(self, reason: str, message: object) -> None:
        """Counts one case; `message`, an error or text, is kept if it is the first of its reason."""
        self[reason] += 1
        self.first.setdefault(reason, str(message))

    def lines(self) -> list[str]:
        """One text a reason, the most frequent first: `30 x image_decode (first: encoding 'nv12' ...)`."""
        return [f"{count} x {reason} (first: {self.first[reason]})" for reason, count in self.most_common()]

    def as_json(self) -> dict[str, dict[str, Any]]:
        """`{reason: {count, first}}`, in order of their first case."""
        return {reason: {"count": count, "first": self.first[reason]} for reason, count in self.items()}
