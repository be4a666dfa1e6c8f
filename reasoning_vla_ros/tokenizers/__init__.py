"""Trajectories as tokens: action spaces, action tokenizers, and what joins and names them."""

from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.bspline import BSplineActionTokenizer
from reasoning_vla_ros.tokenizers.delta_xyz_space import DeltaXyzActionSpace
from reasoning_vla_ros.tokenizers.errors import InvalidTokensError
from reasoning_vla_ros.tokenizers.factory import (
    available_tokenizers,
    create_action_space,
    create_action_tokenizer,
    create_tokenizer,
    register_trajectory_tokenizer,
)
from reasoning_vla_ros.tokenizers.fast import FASTBPEActionTokenizer
from reasoning_vla_ros.tokenizers.joint_space import JointActionSpace
from reasoning_vla_ros.tokenizers.registry import register_action_space, register_action_tokenizer
from reasoning_vla_ros.tokenizers.text import TextActionTokenizer
from reasoning_vla_ros.tokenizers.trajectory_tokenizer import TrajectoryTokenizer
from reasoning_vla_ros.tokenizers.truncated_dct import FASTActionTokenizer
from reasoning_vla_ros.tokenizers.unicycle_space import UnicycleActionSpace
from reasoning_vla_ros.tokenizers.uniform import UniformActionTokenizer

__all__ = [
    "ActionSpace",
    "ActionTokenizer",
    "BSplineActionTokenizer",
    "DeltaXyzActionSpace",
    "FASTActionTokenizer",
    "FASTBPEActionTokenizer",
    "InvalidTokensError",
    "JointActionSpace",
    "TextActionTokenizer",
    "TrajectoryTokenizer",
    "UnicycleActionSpace",
    "UniformActionTokenizer",
    "available_tokenizers",
    "check_actions",
    "create_action_space",
    "create_action_tokenizer",
    "create_tokenizer",
    "register_action_space",
    "register_action_tokenizer",
    "register_trajectory_tokenizer",
    "valid_tokens",
]
