"""Trajectories as tokens: action spaces, action tokenizers, and what joins and names them."""

from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.bspline import BSplineActionTokenizer
from reasoning_vla_ros.tokenizers.delta_xyz_space import DeltaXyzActionSpace
from reasoning_vla_ros.tokenizers.ego_motion_space import EgoMotionActionSpace
from reasoning_vla_ros.tokenizers.errors import InvalidTokensError
from reasoning_vla_ros.tokenizers.factory import (
    available_tokenizers,
    create_action_space,
    create_action_tokenizer,
    create_tokenizer,
    register_trajectory_tokenizer,
)
from reasoning_vla_ros.tokenizers.fast import FASTBPEActionTokenizer
from reasoning_vla_ros.tokenizers.fsq import FSQActionTokenizer
from reasoning_vla_ros.tokenizers.joint_space import JointActionSpace
from reasoning_vla_ros.tokenizers.kdisks import KDisksActionTokenizer
from reasoning_vla_ros.tokenizers.klt import KLTActionTokenizer
from reasoning_vla_ros.tokenizers.path_space import PathActionSpace
from reasoning_vla_ros.tokenizers.planar_pose_space import PlanarPoseActionSpace
from reasoning_vla_ros.tokenizers.pose_space import PoseActionSpace
from reasoning_vla_ros.tokenizers.registry import register_action_space, register_action_tokenizer
from reasoning_vla_ros.tokenizers.rvq import RVQActionTokenizer
from reasoning_vla_ros.tokenizers.text import TextActionTokenizer
from reasoning_vla_ros.tokenizers.trajectory_tokenizer import TrajectoryTokenizer
from reasoning_vla_ros.tokenizers.truncated_dct import FASTActionTokenizer
from reasoning_vla_ros.tokenizers.unicycle_space import UnicycleActionSpace
from reasoning_vla_ros.tokenizers.uniform import UniformActionTokenizer
from reasoning_vla_ros.tokenizers.vector_quantizer import VectorQuantizer
from reasoning_vla_ros.tokenizers.vqvae import VQVAEActionTokenizer
from reasoning_vla_ros.tokenizers.vqvae_model import ActionVQVAE, train_action_vqvae

__all__ = [
    "ActionSpace",
    "ActionTokenizer",
    "ActionVQVAE",
    "BSplineActionTokenizer",
    "DeltaXyzActionSpace",
    "EgoMotionActionSpace",
    "FASTActionTokenizer",
    "FASTBPEActionTokenizer",
    "FSQActionTokenizer",
    "InvalidTokensError",
    "JointActionSpace",
    "KDisksActionTokenizer",
    "KLTActionTokenizer",
    "PathActionSpace",
    "PlanarPoseActionSpace",
    "PoseActionSpace",
    "RVQActionTokenizer",
    "TextActionTokenizer",
    "TrajectoryTokenizer",
    "UnicycleActionSpace",
    "UniformActionTokenizer",
    "VQVAEActionTokenizer",
    "VectorQuantizer",
    "available_tokenizers",
    "check_actions",
    "create_action_space",
    "create_action_tokenizer",
    "create_tokenizer",
    "register_action_space",
    "register_action_tokenizer",
    "register_trajectory_tokenizer",
    "train_action_vqvae",
    "valid_tokens",
]
