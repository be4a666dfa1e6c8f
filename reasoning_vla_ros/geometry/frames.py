"""Rigid transforms as (xyz [..., 3], rot [..., 3, 3]) pairs, and trajectories between odometry and ego frame.

A pose `pose_in_a` of frame b maps points of b into a: p_in_a = rot @ p_in_b + xyz. numpy or torch, any leading axes.
"""

from __future__ import annotations

from reasoning_vla_ros.geometry.arrays import ArrayT, require_shape


def transform_points(xyz: ArrayT, rot: ArrayT, points: ArrayT) -> ArrayT:
    """Points [..., 3] of a frame, whose pose is (xyz, rot), in the frame that the pose is given in."""
    return (rot @ points[..., None])[..., 0] + xyz


def compose(xyz_b_in_a: ArrayT, rot_b_in_a: ArrayT, xyz_c_in_b: ArrayT, rot_c_in_b: ArrayT) -> tuple[ArrayT, ArrayT]:
    """The pose of c in a, from b's pose in a and c's pose in b."""
    return transform_points(xyz_b_in_a, rot_b_in_a, xyz_c_in_b), rot_b_in_a @ rot_c_in_b


def invert(xyz_b_in_a: ArrayT, rot_b_in_a: ArrayT) -> tuple[ArrayT, ArrayT]:
    """The pose of a in b, from b's pose in a."""
    rot_a_in_b = rot_b_in_a.swapaxes(-1, -2)
    return -(rot_a_in_b @ xyz_b_in_a[..., None])[..., 0], rot_a_in_b


def to_ego_frame(xyz_in_odom: ArrayT, rot_in_odom: ArrayT) -> tuple[ArrayT, ArrayT]:
    """Poses relative to the last one, which is the ego pose at t0.

    p_in_ego = R0^-1 (p - p0) and R_in_ego = R0^-1 R, as in Alpamayo-R1's inputs.

    Args:
        xyz_in_odom: [..., T, 3], metres.
        rot_in_odom: [..., T, 3, 3].

    Returns:
        xyz [..., T, 3] and rot [..., T, 3, 3] in the ego frame at t0.

    Raises:
        ValueError: other shapes, or no pose at all.
    """
    _require_poses(xyz_in_odom, rot_in_odom)
    rot_odom_in_ego = rot_in_odom[..., -1:, :, :].swapaxes(-1, -2)
    # The subtraction comes first: odometry may lie far from its origin, and its digits cancel exactly here.
    xyz = (rot_odom_in_ego @ (xyz_in_odom - xyz_in_odom[..., -1:, :])[..., None])[..., 0]
    return xyz, rot_odom_in_ego @ rot_in_odom


def from_ego_frame(
    xyz_in_ego: ArrayT, rot_in_ego: ArrayT, ego_xyz_in_odom: ArrayT, ego_rot_in_odom: ArrayT
) -> tuple[ArrayT, ArrayT]:
    """Poses [..., T, 3] and [..., T, 3, 3] of the ego frame at t0, in the frame of the ego pose [..., 3], [..., 3, 3].

    Raises:
        ValueError: other shapes, or no pose at all.
    """
    _require_poses(xyz_in_ego, rot_in_ego)
    return compose(ego_xyz_in_odom[..., None, :], ego_rot_in_odom[..., None, :, :], xyz_in_ego, rot_in_ego)


def _require_poses(xyz: ArrayT, rot: ArrayT) -> None:
    require_shape(xyz, (None, 3), "positions")
    require_shape(rot, (None, 3, 3), "rotations")
    if xyz.shape[-2] == 0 or xyz.shape[-2] != rot.shape[-3]:
        raise ValueError(
            f"positions and rotations need the same number of poses, at least 1; "
            f"got {xyz.shape[-2]} and {rot.shape[-3]}"
        )
