"""Errors of the tokenizers."""


class InvalidTokensError(ValueError):
    """Token ids that no encoder can produce: out of range, of the wrong count, or not integers."""
