"""Rotations, frames, unicycle kinematics and the linear algebra they need; numpy and torch, batched."""
