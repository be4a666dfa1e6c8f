"""Motions of half a second as tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, Decoded, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.kmeans import kmeans, nearest_code
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer

Floats = NDArray[Any]
ROWS = 128  # trajectories at a time, so that their distances to all disks stay in the cache

# Share of the disks that cover what is rare; the others go where most motions are.
COVERING_SHARE = 0.25
FIT_ROUNDS = 4
FIT_SAMPLE = 40_000


@register_action_tokenizer("kdisks")
class KDisksActionTokenizer(ActionTokenizer):
    """One token a short motion out of a vocabulary of motions, as SMART (arXiv 2405.15677) and Trajeglish do
    (k-disks, arXiv 2312.04535).

    A disk is a motion of `segment_steps` poses (x, y, yaw) relative to the pose where it starts. Encoding is a closed
    loop: each segment is matched relative to the pose that the tokens so far lead to, so errors do not add up. The
    distance between two motions is that of their positions and headings at all of their steps. Where T is no multiple
    of the segment, the last segment is matched and decoded by its beginning. Disk 0 stands still.

    `fit` puts a quarter of the disks where no other is near, beginning with the farthest, and finds the others by
    k-means. It does so several times over: the motions that a closed loop needs are those from where the disks lead,
    not those of the data.

    Args:
        action_dims: 3: works on planar poses, (x, y, yaw) in metres and radians, of the action space `planar_pose`.
        horizon: T; where it is None, T is a multiple of the segment.
        segment_steps: poses in a segment, 0.5 s at 10 Hz.
        num_disks: V, the size of the vocabulary.
        yaw_weight_m: metres a radian, to add distances and angles.
    """

    def __init__(
        self,
        action_dims: int = 3,
        horizon: int | None = None,
        segment_steps: int = 5,
        num_disks: int = 2048,
        yaw_weight_m: float = 2.0,
    ) -> None:
        if action_dims != 3:
            raise ValueError(
                f"kdisks works on (x, y, yaw), as of the action space 'planar_pose'; got {action_dims} dimensions"
            )
        for label, value in (("horizon", horizon), ("segment_steps", segment_steps)):
            if value is not None and value < 1:
                raise ValueError(f"{label} must be at least 1, got {value}")
        if num_disks < 2:
            raise ValueError(f"num_disks must be at least 2, got {num_disks}")
        if not (yaw_weight_m > 0 and math.isfinite(yaw_weight_m)):
            raise ValueError(f"yaw_weight_m must be positive, got {yaw_weight_m}")
        self.action_dims = action_dims
        self.horizon = horizon
        self.segment_steps = segment_steps
        self.num_disks = num_disks
        self.yaw_weight_m = yaw_weight_m
        self._tables: _Tables | None = None

    @property
    def vocab_size(self) -> int:
        return self.num_disks

    def num_tokens_for(self, horizon: int | None) -> int | None:
        steps = self.horizon or horizon
        return None if steps is None else -(-steps // self.segment_steps)

    @property
    def disks(self) -> torch.Tensor:
        """The motions, [V, segment_steps, 3]: x, y in metres and yaw in radians.

        Raises:
            ValueError: not fitted.
        """
        return self._fitted().disks

    def fit(self, actions: torch.Tensor, seed: int = 0) -> KDisksActionTokenizer:
        """Finds the disks for paths [B, T, 3], T at least one segment, and returns itself."""
        actions = self._checked(actions).float()
        whole = actions.shape[1] // self.segment_steps * self.segment_steps
        if not len(actions) or not whole:
            raise ValueError(f"fit needs a path of {self.segment_steps} poses or more, got {list(actions.shape)}")
        actions = actions[:, :whole]
        generator = torch.Generator().manual_seed(seed)
        starts = actions[:, self.segment_steps - 1 :: self.segment_steps]
        starts = torch.cat([torch.zeros_like(starts[:, :1]), starts[:, :-1]], 1)
        for _ in range(FIT_ROUNDS):
            segments = actions.unflatten(1, (-1, self.segment_steps))
            motions = _relative(segments.flatten(0, 1), starts.flatten(0, 1))
            self._tables = _Tables(self._spread(motions, generator), self.yaw_weight_m)
            _, starts = self._match(actions)
        return self

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {} if self._tables is None else {"disks": self._tables.disks}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        shapes = {key: list(tensor.shape) for key, tensor in state.items()}
        if shapes != {"disks": [self.num_disks, self.segment_steps, 3]}:
            raise ValueError(f"kdisks needs disks [{self.num_disks}, {self.segment_steps}, 3], got {shapes}")
        self._tables = _Tables(state["disks"], self.yaw_weight_m)

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, ceil(T / segment_steps)], of paths [B, T, 3]; see `ActionTokenizer.encode`."""
        return self._match(self._checked(actions))[0]

    def decode(self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32) -> Decoded:
        """Paths [B, T, 3] of ids [B, N]; see `ActionTokenizer.decode`."""
        count = self.num_tokens_for(None)
        valid = valid_tokens(tokens, self.vocab_size, count=count, strict=strict)
        steps = self.horizon or max(tokens.shape[1], 1) * self.segment_steps
        if tokens.shape[1] and tokens.shape[1] == (count or tokens.shape[1]):
            known = tokens.long() if strict else torch.where(valid[:, None], tokens, 0).long()
            paths = self._drive(known, dtype)[:, :steps]
        else:
            paths = torch.zeros(len(tokens), steps, 3, dtype=dtype, device=tokens.device)
        return paths if strict else (torch.where(valid[:, None, None], paths, torch.nan), valid)

    def _fitted(self) -> _Tables:
        if self._tables is None:
            raise ValueError(f"{self.name!r} has no disks yet; fit it, or load one with from_pretrained")
        return self._tables

    def _checked(self, actions: torch.Tensor) -> torch.Tensor:
        actions = check_actions(actions, self.action_dims)
        steps = actions.shape[1]
        if steps != self.horizon and (self.horizon is not None or steps % self.segment_steps):
            wanted = self.horizon or f"a multiple of {self.segment_steps}"
            raise ValueError(f"actions need {wanted} steps, got the shape {list(actions.shape)}")
        return actions

    def _match(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids [B, N] of paths [B, T, 3], and the poses [B, N, 3] from which each was matched."""
        paths = actions.detach().float().cpu().numpy()
        parts = [self._match_rows(paths[i : i + ROWS]) for i in range(0, len(paths), ROWS)]
        empty = np.zeros((0, -(-paths.shape[1] // self.segment_steps)), np.int64), np.zeros((0, 0, 3), np.float32)
        ids, starts = (np.concatenate(part) for part in zip(*(parts or [empty]), strict=True))
        return torch.from_numpy(ids).to(actions.device), torch.from_numpy(starts).to(actions.device)

    def _match_rows(self, paths: Floats) -> tuple[NDArray[np.int64], Floats]:
        # Mostly in numpy, and with points and turns of the plane as complex numbers: the segments follow on each
        # other, so for one trajectory the cost is that of the calls.
        steps = self.segment_steps
        points = np.ascontiguousarray(paths[..., :2]).view(np.complex64)[..., 0]
        yaws = np.concatenate([np.zeros_like(paths[:, :1, 2]), paths[..., 2]], 1)
        if np.abs(np.diff(yaws)).max(initial=0) > np.pi:
            yaws = np.unwrap(yaws)
        yaws = yaws[:, 1:]
        position, heading = np.zeros(len(paths), np.complex64), np.zeros(len(paths), np.float32)
        turn = np.ones(len(paths), np.complex64)
        tables = self._fitted()
        count = -(-paths.shape[1] // steps)
        ids, starts = np.empty((len(paths), count), np.int64), np.empty((len(paths), count, 3), np.float32)
        memory = torch.empty(len(paths), self.num_disks)
        for place in range(count):
            here = slice(place * steps, (place + 1) * steps)
            seen = points[:, here] - position[:, None]
            seen *= turn.conj()[:, None]
            length = seen.shape[1]
            motions = np.ones((len(paths), 3 * length + 1), np.float32)
            motions[:, :length], motions[:, length : 2 * length] = seen.real, seen.imag
            motions[:, 2 * length : -1] = (yaws[:, here] - heading[:, None]) * np.float32(self.yaw_weight_m)
            nearest = torch.mm(torch.from_numpy(motions), tables.scores(length), out=memory).numpy().argmin(1)
            ids[:, place] = nearest
            starts[:, place, 0], starts[:, place, 1], starts[:, place, 2] = position.real, position.imag, heading
            position = position + turn * tables.ends.take(nearest)
            heading = heading + tables.end_yaws.take(nearest)
            turn = turn * tables.end_turns.take(nearest)
        return ids, starts

    def _drive(self, ids: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The path [B, N * segment_steps, 3] of motions one after the other, all at once."""
        motions = self.disks.to(ids.device, dtype)[ids]
        yaw = _sums_before(motions[:, :, -1, 2])[..., None]
        cos, sin = torch.cos(yaw), torch.sin(yaw)
        x, y = cos * motions[..., 0] - sin * motions[..., 1], sin * motions[..., 0] + cos * motions[..., 1]
        x, y = x + _sums_before(x[..., -1])[..., None], y + _sums_before(y[..., -1])[..., None]
        return torch.stack([x, y, motions[..., 2] + yaw], -1).flatten(1, 2)

    def _features(self, motions: torch.Tensor) -> torch.Tensor:
        """Motions [P, S, 3] as points [P, 3 * S] whose distances are those of the motions, in metres."""
        return (motions * motions.new_tensor([1.0, 1.0, self.yaw_weight_m])).flatten(1)

    def _spread(self, motions: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Disks [V, S, 3] for motions [P, S, 3]."""
        points = self._features(motions)
        covering = int(COVERING_SHARE * self.num_disks)
        sample = torch.randperm(len(points), generator=generator)[:FIT_SAMPLE].to(points.device)
        common = kmeans(points[sample], self.num_disks - covering - 1, iterations=4, generator=generator)
        common = torch.cat([torch.zeros_like(points[:1]), common])
        codes = torch.cat([common, _farthest(points, common, covering)])
        weights = motions.new_tensor([1.0, 1.0, self.yaw_weight_m])
        return codes.unflatten(1, (-1, 3)) / weights


class _Tables:
    """What matching reads of the disks [V, S, 3], on the CPU.

    Attributes:
        disks: the disks themselves, float32.
        ends, end_yaws, end_turns: where each leads: its displacement as a complex number, its change of yaw in
            radians, and that as a complex number of length one; [V] each.
    """

    def __init__(self, disks: torch.Tensor, yaw_weight_m: float) -> None:
        self.disks = disks.detach().float().cpu()
        x, y, yaw = self.disks[:, -1].double().numpy().T
        self.ends = (x + 1j * y).astype(np.complex64)
        self.end_yaws = yaw.astype(np.float32)
        self.end_turns = np.exp(1j * yaw).astype(np.complex64)
        self._weighted = self.disks.numpy() * np.array([1, 1, yaw_weight_m], np.float32)
        self._scores: dict[int, torch.Tensor] = {}

    def scores(self, steps: int) -> torch.Tensor:
        """[3 * steps + 1, V]: a motion and a 1, times it, rank the disks' beginnings by distance."""
        if steps not in self._scores:
            flat = self._weighted[:, :steps].transpose(2, 1, 0).reshape(3 * steps, -1)
            self._scores[steps] = torch.from_numpy(np.concatenate([-2 * flat, (flat * flat).sum(0)[None]]))
        return self._scores[steps]


def _relative(poses: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """Poses [P, S, 3] as seen from poses [P, 3]; the yaw in -pi..pi."""
    x, y, yaw = (poses - origin[:, None]).unbind(-1)
    cos, sin = torch.cos(origin[:, 2:]), torch.sin(origin[:, 2:])
    wrapped = torch.remainder(yaw + math.pi, 2 * math.pi) - math.pi
    return torch.stack([cos * x + sin * y, cos * y - sin * x, wrapped], -1)


def _sums_before(values: torch.Tensor) -> torch.Tensor:
    """Sums [B, N] of what stands before each of values [B, N]."""
    return values.cumsum(1) - values


def _farthest(points: torch.Tensor, codes: torch.Tensor, count: int) -> torch.Tensor:
    """`count` of the points [P, K], each the farthest from all codes [V, K] and the ones before it."""
    distances = (points - codes[nearest_code(points, codes)]).square().sum(1)
    found = []
    for _ in range(count):
        found.append(points[distances.argmax()])
        distances = torch.minimum(distances, (points - found[-1]).square().sum(1))
    return torch.stack(found) if found else points[:0]
