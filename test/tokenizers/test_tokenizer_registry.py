from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from reasoning_vla_ros.tokenizers import (
    ActionSpace,
    DeltaXyzActionSpace,
    TrajectoryTokenizer,
    UniformActionTokenizer,
    available_tokenizers,
    create_action_space,
    create_action_tokenizer,
    create_tokenizer,
    register_action_space,
    register_action_tokenizer,
)

Driving = Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]

DELTA = "alpamayo_r1.models.delta_tokenizer.DeltaTrajectoryTokenizer"
DISCRETE = "alpamayo_r1.action_space.discrete_action_space.DiscreteTrajectoryTokenizer"
UNICYCLE = "alpamayo_r1.action_space.UnicycleAccelCurvatureActionSpace"


def test_what_is_built_in() -> None:
    names = available_tokenizers()
    assert {"delta_xyz", "unicycle", "joint"} <= set(names["action_spaces"])
    assert "uniform" in names["action_tokenizers"]
    for space in ("delta_xyz", "unicycle", "joint"):
        assert isinstance(create_tokenizer(f"{space}+uniform"), TrajectoryTokenizer)


def test_alpamayos_pairs_have_its_sizes() -> None:
    discrete = create_tokenizer("unicycle+uniform", num_bins=3000)
    assert discrete.vocab_size == 3000
    assert discrete.num_tokens == 128
    assert discrete.action_tokenizer.action_range == ((-10.0, 10.0), (-10.0, 10.0))
    delta = create_tokenizer("delta_xyz+uniform")
    assert delta.vocab_size == 1000
    assert delta.action_tokenizer.action_range == ((-4.0, 4.0), (-4.0, 4.0), (-10.0, 10.0))
    assert create_tokenizer("unicycle+uniform", n_waypoints=8, num_bins=96).num_tokens == 16


def discrete_config(**changes: Any) -> dict[str, Any]:
    space = {"_target_": UNICYCLE, "n_waypoints": 8, "accel_std": 0.7}
    config = {"_target_": DISCRETE, "_recursive_": False, "action_space_cfg": space}
    return {**config, "dims_min": [-10.0, -10.0], "dims_max": [10.0, 10.0], "num_bins": 96, **changes}


def test_target_configs_build_the_same_tokenizers(driving: Driving) -> None:
    data = driving(3, future=8)
    from_config = create_tokenizer(discrete_config(), allow_imports=False)
    from_name = create_tokenizer("unicycle+uniform", num_bins=96, n_waypoints=8, accel_std=0.7)
    assert torch.equal(from_config.encode(*data), from_name.encode(*data))
    assert from_config.to_config() == from_name.to_config()
    delta = create_tokenizer({"_target_": DELTA, "num_bins": 32, "_convert_": "all", "load_weights": False})
    assert torch.equal(delta.encode(*data), create_tokenizer("delta_xyz+uniform", num_bins=32).encode(*data))


@pytest.mark.parametrize("package", ["alpamayo_r1", "alpamayo1_5"])
@pytest.mark.parametrize("module", ["", "unicycle_accel_curvature."])
def test_other_paths_of_the_same_classes(package: str, module: str) -> None:
    path = f"{package}.action_space.{module}UnicycleAccelCurvatureActionSpace"
    assert create_action_space({"_target_": path, "n_waypoints": 5}).horizon == 5
    config = discrete_config(_target_=f"{package}.action_space.DiscreteTrajectoryTokenizer")
    assert create_tokenizer(config).vocab_size == 96
    assert (
        create_tokenizer({"_target_": f"{package}.models.delta_tokenizer.DeltaTrajectoryTokenizer"}).vocab_size == 1000
    )


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (
            {"_target_": "os.system", "command": "true"},
            ValueError,
            r"unknown _target_ 'os\.system'; known: \['alpamayo",
        ),
        ({"_target_": DELTA, "num_bin": 3}, TypeError, r"unknown arguments \['num_bin'\].*'num_bins'"),
        (discrete_config(dims_min=[-10.0]), ValueError, r"need 2 numbers, got \[-10\.0\]"),
        (discrete_config(action_space_cfg={"_target_": DELTA}), TypeError, "must describe an action space"),
        (
            discrete_config(action_space_cfg={"_target_": "torch.nn.Linear"}),
            ValueError,
            "unknown _target_ 'torch.nn.Linear'",
        ),
        ({"_target_": UNICYCLE}, TypeError, "is an action space, wanted a whole tokenizer"),
        ({"bins": 3}, ValueError, "needs a name"),
        (
            {"action_space": {"name": "unicycle"}, "action_tokenizer": "uniform", "bins": 3},
            TypeError,
            r"got also \['bins'\]",
        ),
        (
            {"action_space": {"name": "unicycle", "dtt": 3}, "action_tokenizer": "uniform"},
            TypeError,
            r"unknown arguments \['dtt'\]",
        ),
    ],
)
def test_bad_configs_are_named(config: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        create_tokenizer(config)


@pytest.mark.parametrize(
    ("spec", "kwargs", "error", "message"),
    [
        (
            "bicycle+uniform",
            {},
            ValueError,
            r"unknown action space 'bicycle'; known: \['delta_xyz', 'ego_motion', ",
        ),
        ("unicycle+binary", {}, ValueError, "unknown action tokenizer 'binary'; known:"),
        ("unicycle", {}, ValueError, r"'unicycle' is one part; name both, such as 'unicycle\+uniform'"),
        ("nothing", {}, ValueError, "unknown trajectory tokenizer 'nothing'"),
        (
            "unicycle+uniform",
            {"num_bin": 3},
            TypeError,
            r"unknown arguments \['num_bin'\]; 'unicycle' takes .*'dt'.*'uniform' takes",
        ),
        ("unicycle+uniform", {"num_bins": 3, "bins_per_dim": 3}, TypeError, "'bins_per_dim' a second time"),
        ("unicycle+uniform", {"num_bins": 1}, ValueError, "bins_per_dim must be at least 2, got 1"),
        ("no_such_package:Thing", {}, ImportError, "no_such_package"),
        ("unicycle+json:Nothing", {}, ImportError, "module 'json' has no 'Nothing'"),
        ("json:JSONDecoder", {}, TypeError, "must name a subclass of TrajectoryTokenizer"),
        ("unicycle+json:JSONDecoder", {}, TypeError, "must name a subclass of ActionTokenizer"),
        ("./no/such/folder", {}, FileNotFoundError, "holds no trajectory_tokenizer.json"),
    ],
)
def test_bad_names_are_named(spec: str, kwargs: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        create_tokenizer(spec, **kwargs)


def test_an_argument_of_both_parts_is_refused() -> None:
    class Slow(UniformActionTokenizer):
        def __init__(self, dt: float = 1.0) -> None:
            self.dt = dt
            super().__init__(2)

    register_action_tokenizer("slow_for_test", Slow)
    with pytest.raises(TypeError, match=r"both parts take \['dt'\]"):
        create_tokenizer("unicycle+slow_for_test", dt=0.2)
    config = {"action_space": {"name": "unicycle", "dt": 0.2}, "action_tokenizer": {"name": "slow_for_test", "dt": 3.0}}
    built = create_tokenizer(config)
    assert built.action_space.dt_s == 0.2
    assert built.action_tokenizer.get_config() == {"dt": 3.0}


def test_registering() -> None:
    @register_action_space("delta_for_test")
    class Mine(DeltaXyzActionSpace):
        pass

    assert create_tokenizer("delta_for_test+uniform").action_space.name == "delta_for_test"
    assert register_action_space("delta_for_test", Mine) is Mine
    with pytest.raises(ValueError, match="'delta_for_test' is already registered"):
        register_action_space("delta_for_test", DeltaXyzActionSpace)
    with pytest.raises(ValueError, match=r"must not .* hold any of"):
        register_action_space("a+b", Mine)
    with pytest.raises(TypeError, match="must be a subclass of ActionSpace"):
        register_action_space("wrong", UniformActionTokenizer)
    assert DeltaXyzActionSpace.name == "delta_xyz"


@pytest.mark.parametrize("spec", ["unicycle+uniform", "delta_xyz+uniform", "joint+uniform"])
def test_configs_are_plain_and_rebuild(spec: str) -> None:
    tokenizer = create_tokenizer(spec)
    config = json.loads(json.dumps(tokenizer.to_config()))
    assert config == tokenizer.to_config()
    assert create_tokenizer(config, allow_imports=False).to_config() == config
    by_name = create_tokenizer({"name": spec, "num_bins": 11})
    assert by_name.vocab_size == 11
    assert create_tokenizer({"name": spec}, num_bins=12).vocab_size == 12


def test_parts_alone() -> None:
    assert create_action_tokenizer("uniform", num_bins=5).vocab_size == 5
    assert create_action_tokenizer({"name": "uniform", "bins_per_dim": 6}).vocab_size == 6
    with pytest.raises(TypeError, match="whole tokenizer, wanted an action space"):
        create_action_space({"_target_": DELTA})


def test_arguments_must_be_kept_as_attributes() -> None:
    class Forgetful(ActionSpace):
        action_dim = 1

        def __init__(self, secret: int = 1) -> None:
            pass

        def encode(self, history_xyz: Any, history_rot: Any, future_xyz: Any, future_rot: Any) -> torch.Tensor:
            return torch.zeros(1, 1, 1)

        def decode(self, history_xyz: Any, history_rot: Any, actions: Any) -> tuple[torch.Tensor, torch.Tensor]:
            return actions, actions

    with pytest.raises(TypeError, match=r"constructor arguments as attributes; missing: \['secret'\]"):
        Forgetful().get_config()
