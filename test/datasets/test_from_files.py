"""NumPy files and LeRobot folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reasoning_vla_ros.datasets import DataError, TrajectorySet, from_lerobot, from_npz, synthetic_driving
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("as_yaw", [False, True])
def test_windows(tmp_path: Path, as_yaw: bool) -> None:
    data = synthetic_driving(5)
    assert data.hist_rot is not None
    assert data.fut_rot is not None
    if as_yaw:
        turned = {"hist_yaw": matrix_to_yaw(data.hist_rot), "fut_yaw": matrix_to_yaw(data.fut_rot)}
    else:
        turned = {"hist_rot": data.hist_rot, "fut_rot": data.fut_rot}
    path = npz(
        tmp_path / "w.npz", hist_xyz=data.hist_xyz, fut_xyz=data.fut_xyz, **turned, dt_s=0.1, group=[0, 0, 0, 1, 1]
    )
    again = from_npz(path)
    for one, other in zip(data.tensors(), again.tensors(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)  # type: ignore[arg-type]
    assert again.dt_s == 0.1
    assert again.group is not None
    assert again.group.tolist() == [0, 0, 0, 1, 1]


def test_chunks(tmp_path: Path) -> None:
    actions = np.random.default_rng(0).normal(size=(4, 20, 6))
    data = from_npz(npz(tmp_path / "a.npz", actions=actions, dt_s=0.05))
    assert not data.is_driving
    assert torch.allclose(data.fut_xyz, torch.from_numpy(actions).float())
    assert data.dt_s == 0.05
    assert "no history" in data.notes[0]
    assert from_npz(npz(tmp_path / "b.npz", actions=actions), dt_s=0.02).dt_s == 0.02


@pytest.mark.parametrize("orientation", ["yaw", "quat_xyzw", "rot"])
def test_one_drive_is_cut(tmp_path: Path, orientation: str) -> None:
    time_s = np.arange(0, 20, 0.05)
    yaw = 0.1 * time_s + 3  # passes pi
    xy = np.stack([80 * np.sin(yaw), -80 * np.cos(yaw)], -1)
    zero = np.zeros_like(yaw)
    turned = {
        "yaw": yaw,
        "quat_xyzw": np.stack([zero, zero, np.sin(yaw / 2), np.cos(yaw / 2)], -1),
        "rot": np.stack([np.cos(yaw), -np.sin(yaw), zero, np.sin(yaw), np.cos(yaw), zero, zero, zero, zero + 1], -1)
        .reshape(-1, 3, 3),
    }  # fmt: skip
    data = from_npz(npz(tmp_path / "d.npz", time_s=time_s, xyz=xy, **{orientation: turned[orientation]}))
    assert data.is_driving
    assert len(data) == 25
    expected = 80 * torch.sin(0.1 * torch.arange(1, 65) * 0.1)
    assert torch.allclose(data.fut_xyz[:, :, 0], expected.expand(25, 64), atol=1e-3)
    jump = time_s.copy()
    jump[100] = 0  # one bad stamp is left out and counted
    data = from_npz(npz(tmp_path / "e.npz", time_s=jump, xyz=xy, yaw=yaw))
    assert data.notes[0].startswith("1 x sample no newer")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"foo": np.zeros((2, 3))}, r"holds foo \[2, 3\]; needed hist_xyz"),
        ({"actions": np.zeros((2, 3, 4))}, "needed dt_s"),
        ({"actions": np.zeros((2, 3)), "dt_s": 0.1}, r"actions needs the shape \[n, n, n\], got \[2, 3\]"),
        ({"actions": np.full((2, 3, 4), np.nan), "dt_s": 0.1}, "actions needs finite numbers, got 24"),
        ({"actions": np.array([[["a"]]]), "dt_s": 0.1}, "actions needs finite numbers, got <U1"),
        ({"hist_xyz": np.zeros((2, 16, 3)), "fut_xyz": np.zeros((2, 64, 3)), "dt_s": 0.1}, "need hist_rot"),
        (
            {"hist_xyz": np.ones((2, 16, 3)), "hist_yaw": np.zeros((2, 16)), "fut_xyz": np.zeros((2, 64, 3)),
             "fut_yaw": np.zeros((2, 64)), "dt_s": 0.1},
            "up to 1 m off",
        ),
        ({"time_s": np.arange(9), "xyz": np.zeros((9, 3))}, "a drive needs yaw"),
        ({"time_s": np.arange(9), "xyz": np.zeros((8, 3)), "yaw": np.zeros(9)}, r"xyz needs the shape \[9, 3\]"),
    ],
)  # fmt: skip
def test_bad_files_say_what_is_needed(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_npz(npz(tmp_path / "bad.npz", **arrays))


def test_a_file_with_objects_is_refused(tmp_path: Path) -> None:
    """Reading them would run what the file says."""
    with pytest.raises(DataError, match="plain numbers"):
        from_npz(npz(tmp_path / "o.npz", actions=np.array([{}], dtype=object), dt_s=0.1))
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match="plain numbers"):
        from_npz(tmp_path / "text.npz")


FPS = 20


@pytest.fixture
def write_lerobot(tmp_path: Path) -> Callable[..., Path]:
    """Two files of two episodes each; action[t] is (episode, t)."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def write(version: int, length: int = 60, drop: int | None = None, **columns: Any) -> Path:
        folder = tmp_path / f"v{version}"
        (folder / "meta").mkdir(parents=True)
        (folder / "meta/info.json").write_text(json.dumps({"fps": FPS, "codebase_version": f"v{version}.0"}))
        chunk = folder / "data/chunk-000"
        chunk.mkdir(parents=True)
        files = [[0], [1], [2], [3]] if version == 2 else [[0, 1], [2, 3]]
        for index, episodes in enumerate(files):
            rows = [(episode, t) for episode in episodes for t in range(length) if t != drop]
            table = {
                "action": [[float(episode), float(t)] for episode, t in rows],
                "observation.state": [[float(episode), t - 0.5] for episode, t in rows],
                "episode_index": [episode for episode, _ in rows],
                "timestamp": pyarrow.array([t / FPS for _, t in rows], pyarrow.float32()),
                **columns,
            }
            name = f"episode_{index:06d}.parquet" if version == 2 else f"file-{index:03d}.parquet"
            parquet.write_table(
                pyarrow.table({key: value for key, value in table.items() if value is not None}), chunk / name
            )
        return folder

    return write


def starts(data: TrajectorySet) -> list[float]:
    return data.fut_xyz[:, 0, 1].tolist()


@pytest.mark.parametrize("version", [2, 3])
def test_lerobot_chunks_stay_within_an_episode(write_lerobot: Callable[..., Path], version: int) -> None:
    data = from_lerobot(write_lerobot(version), horizon=40, stride=15)
    assert not data.is_driving
    assert data.dt_s == 1 / FPS
    assert starts(data) == [0, 15] * 4
    assert bool((data.fut_xyz[:, :, 0] == data.fut_xyz[:, :1, 0]).all())
    assert torch.equal(data.fut_xyz[0, :, 1], torch.arange(40.0))
    assert data.hist_xyz[:, 0, 1].tolist() == [-0.5, 14.5] * 4
    assert data.group is not None
    assert data.group.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_lerobot_chunks_do_not_span_missing_frames(write_lerobot: Callable[..., Path]) -> None:
    data = from_lerobot(write_lerobot(3, drop=30), horizon=20, stride=10)
    assert data.hist_xyz[:3, 0, 1].tolist() == [-0.5, 9.5, 30.5]
    assert starts(data) == [0, 10, 31] * 4
    assert "missing frames" in data.notes[0]


@pytest.mark.parametrize("state", [None, [[1.0, 2.0, 3.0]] * 120])
def test_without_a_matching_state_the_action_before_is_the_history(
    write_lerobot: Callable[..., Path], state: list[list[float]] | None
) -> None:
    data = from_lerobot(write_lerobot(3, **{"observation.state": state}), horizon=20, stride=20)
    assert starts(data) == [1, 21] * 4
    assert data.hist_xyz[:, 0, 1].tolist() == [0, 20] * 4


def test_lerobot_errors(write_lerobot: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no meta/info.json"):
        from_lerobot(tmp_path)
    folder = write_lerobot(2)
    with pytest.raises(DataError, match=r"no column velocity; it has \['action'"):
        from_lerobot(folder, key="velocity")
    with pytest.raises(DataError, match=r"no chunk of 100 steps .*shorter"):
        from_lerobot(folder, horizon=100)
    (folder / "data/chunk-000/episode_000000.parquet").write_text("nothing")
    with pytest.raises(DataError, match="Parquet file"):
        from_lerobot(folder)
    (folder / "meta/info.json").write_text('{"fps": "fast"}')
    with pytest.raises(DataError, match="needs fps"):
        from_lerobot(folder)


def test_without_pyarrow_the_extra_is_named(
    write_lerobot: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_lerobot(2)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"reasoning_vla_ros\[lerobot\]"):
        from_lerobot(folder)
