"""A multilayer perceptron that sees the ego history alone: the bar that pictures have to clear.

Open-loop scores can be matched without looking at the road ("Is Ego Status All You Need for Open-Loop End-to-End
Autonomous Driving?", Li et al., 2024), so this one is made as good as it will get: it corrects a constant turn rate, is
trained on the scores' own error, in other worlds of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reasoning_vla_ros.closed_loop.planner_source import PlannerSource
from reasoning_vla_ros.closed_loop.settings import HORIZON, EvaluationSettings
from reasoning_vla_ros.evaluation.baselines.constant_turn_rate import ConstantTurnRate
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, yaw_to_matrix
from reasoning_vla_ros.simulation.drives import DT_S, make_drive
from reasoning_vla_ros.simulation.expert import relative_to

TIMES_S = np.arange(1, HORIZON + 1) * DT_S
WIDTH, BATCH, LEARNING_RATE = 256, 512, 2e-3
EVERY = 2  # steps of a drive between samples: neighbours tell the same


@dataclass(frozen=True)
class Motions:
    """Past and future of many instants, in base_link at t0.

    Attributes:
        history_xyz [N, T, 3], history_rot [N, T, 3, 3]: float64, at 0.1 s, the last at t0.
        future_xyz: float64 [N, 64, 3], at 0.1 s.
    """

    history_xyz: NDArray[np.float64]
    history_rot: NDArray[np.float64]
    future_xyz: NDArray[np.float64]

    @staticmethod
    def join(parts: Sequence[Motions]) -> Motions:
        """All of them."""
        names = ("history_xyz", "history_rot", "future_xyz")
        return Motions(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class MotionTask:
    """How the ego moves along one drive of the expert; most of the drives have pushes, as what models train on."""

    scenario: str
    seed: int

    def run(self, source: PlannerSource, settings: EvaluationSettings) -> Motions:
        """See :class:`Motions`."""
        drives = settings.drives(settings.ego_mlp_disturbed_share)
        drive = make_drive(self.scenario, self.seed, drives)
        histories, rotations, futures = [], [], []
        for step in drive.sample_steps[::EVERY]:
            x, y, yaw = (float(value) for value in drive.poses_in_map[step])
            history = drive.poses_in_map[step - drives.num_history + 1 : step + 1]
            history_xyz, history_yaw = relative_to(history, (x, y), yaw)
            histories.append(history_xyz)
            rotations.append(yaw_to_matrix(history_yaw))
            futures.append(relative_to(drive.poses_in_map[step + 1 : step + 1 + HORIZON], (x, y), yaw)[0])
        shape = (len(futures), drives.num_history)
        return Motions(
            np.array(histories).reshape(*shape, 3),
            np.array(rotations).reshape(*shape, 3, 3),
            np.array(futures).reshape(len(futures), HORIZON, 3),
        )


class EgoMLP:
    """Trained when it is made; the same motions and seed give the same weights on one machine.

    Args:
        motions: to train on.
        num_steps: of the optimizer, with batches of 512.
        seed: of weights and batches.

    Raises:
        ValueError: no motions.
    """

    name = "ego_mlp"

    def __init__(self, motions: Motions, num_steps: int = 3000, seed: int = 0) -> None:
        if not len(motions.history_xyz):
            raise ValueError("the ego-history baseline needs motions to train on, got none")
        features, carried = _features(motions), _carried_on(motions)
        residual = motions.future_xyz[..., :2] - carried
        self._mean, self._scale = features.mean(0), np.maximum(features.std(0), 1e-3)
        # By waypoint: the far ones are off by a hundred times as much as the near ones.
        self._residual_scale = np.maximum(np.abs(residual).mean((0, 2)), 1e-3)[None, :, None]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self._net = _network(features.shape[1])
                self._train(self._normalised(features), torch.from_numpy(residual).float(), num_steps)
        finally:
            torch.set_num_threads(threads)

    def waypoints(self, motions: Motions) -> NDArray[np.float64]:
        """Predictions [N, 64, 3] at 0.1 s, metres, base_link at t0; the motions' futures are not looked at."""
        with torch.inference_mode():
            answer = self._net(self._normalised(_features(motions))).double().numpy()
        planar = _carried_on(motions) + answer.reshape(-1, HORIZON, 2) * self._residual_scale
        return np.concatenate([planar, np.zeros((*planar.shape[:2], 1))], axis=2)

    def _normalised(self, features: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy((features - self._mean) / self._scale).float()

    def _train(self, features: Tensor, residual: Tensor, num_steps: int) -> None:
        scale = torch.from_numpy(self._residual_scale).float()
        optimizer = torch.optim.AdamW(self._net.parameters(), LEARNING_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
        for _ in range(num_steps):
            chosen = torch.randint(len(features), (BATCH,))
            answer = self._net(features[chosen]).reshape(-1, HORIZON, 2)
            loss = (answer - residual[chosen] / scale).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        self._net.eval()


def _network(num_features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(num_features, WIDTH),
        nn.GELU(),
        nn.Linear(WIDTH, WIDTH),
        nn.GELU(),
        nn.Linear(WIDTH, WIDTH),
        nn.GELU(),
        nn.Linear(WIDTH, 2 * HORIZON),
    )


def _features(motions: Motions) -> NDArray[np.float64]:
    """Poses, speeds, accelerations and yaw rates [N, F]."""
    yaw = np.unwrap(matrix_to_yaw(motions.history_rot), axis=1)
    speed = np.linalg.norm(np.diff(motions.history_xyz[..., :2], axis=1), axis=2) / DT_S
    turn = np.diff(yaw, axis=1) / DT_S
    acceleration, swing = np.diff(speed, axis=1) / DT_S, np.diff(turn, axis=1) / DT_S
    poses = np.concatenate([motions.history_xyz[:, :-1, 0], motions.history_xyz[:, :-1, 1], yaw[:, :-1]], axis=1)
    return np.concatenate([poses, speed, turn, acceleration, swing, speed[:, -1:] * turn[:, -1:]], axis=1)


def _carried_on(motions: Motions) -> NDArray[np.float64]:
    """x and y [N, 64, 2] at a constant turn rate."""
    pairs = zip(motions.history_xyz, motions.history_rot, strict=True)
    plans = [ConstantTurnRate().predict(xyz, rot, DT_S, TIMES_S)[0][:, :2] for xyz, rot in pairs]
    return np.array(plans).reshape(-1, HORIZON, 2)
