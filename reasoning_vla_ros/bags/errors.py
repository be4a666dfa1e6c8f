"""What can be wrong with a bag. Each message says what was found and what was needed."""

from __future__ import annotations


class BagError(ValueError):
    """A bag that cannot be read or written."""


class BagNotFoundError(BagError):
    """Nothing at the path, or nothing there that is a bag."""


class BagExistsError(BagError):
    """The output path is taken."""


class BagEmptyError(BagError):
    """A bag without a single message."""


class BagTopicsError(BagError):
    """A needed topic is missing or has another type."""


class BagTruncatedError(BagError):
    """A bag that is damaged or cut short, raised after its readable messages.

    Attributes:
        messages_read: how many messages came before the error.
        damage: what is wrong, and where.
    """

    def __init__(self, path: object, damage: str, messages_read: int) -> None:
        super().__init__(f"bag {path} is damaged: {damage}; {messages_read} messages were read")
        self.messages_read = messages_read
        self.damage = damage


class BagTruncatedWarning(UserWarning):
    """The same as a warning, for `on_truncated="warn"`."""
