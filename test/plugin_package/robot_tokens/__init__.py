"""A package of its own that brings tokenizers to reasoning_vla_ros; the example in docs/tokenizers.md."""

from robot_tokens.companded import CompandedActionTokenizer
from robot_tokens.planar import PlanarActionSpace
from robot_tokens.whole import CoarseTokenizer

__all__ = ["CoarseTokenizer", "CompandedActionTokenizer", "PlanarActionSpace"]
