"""Flow matching and its solvers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reasoning_vla_ros.models.flow_matching import FlowMatching
from reasoning_vla_ros.models.flow_solvers import solve


def decay(x: Tensor, t: Tensor) -> Tensor:
    """dx/dt = -x (1 + t), with the solution x(1) = x(0) exp(-1.5)."""
    return -x * (1 + t)


def error(num_steps: int, solver: str) -> float:
    x = torch.ones(2, 3, dtype=torch.float64)
    steps, _, _ = solve(decay, x, num_steps, solver)
    return float((steps[:, -1] - torch.exp(torch.tensor(-1.5))).abs().max())


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2)])
def test_solvers_converge_with_their_order(solver: str, order: int) -> None:
    ratio = error(16, solver) / error(32, solver)
    assert ratio == pytest.approx(2**order, rel=0.2)


@pytest.mark.parametrize(("solver", "evaluations"), [("euler", 8), ("midpoint", 16)])
def test_steps_times_and_evaluations(solver: str, evaluations: int) -> None:
    x = torch.randn(2, 4, 2)
    steps, times, counted = solve(decay, x, 8, solver)
    assert steps.shape == (2, 9, 4, 2)
    assert torch.equal(steps[:, 0], x)
    assert torch.equal(times, torch.linspace(0, 1, 9))
    assert counted == evaluations


def test_reuse_saves_evaluations_only_where_the_velocity_is_steady() -> None:
    x = torch.randn(2, 4, 2)
    straight, _, counted = solve(lambda x, t: torch.ones_like(x), x, 10, "euler", 0.01)
    torch.testing.assert_close(straight[:, -1], x + 1)
    assert counted == 6  # two to compare, then every second one
    exact, _, _ = solve(decay, x, 10)
    none_saved, _, counted = solve(decay, x, 10, "euler", 1e-6)
    assert counted == 10
    assert torch.equal(none_saved, exact)
    coarse, _, counted = solve(decay, x, 10, "euler", 0.5)
    assert counted < 10
    assert float((coarse[:, -1] - exact[:, -1]).abs().max()) < 0.05 * float(x.abs().max())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4, "heun"), "must be one of .*'heun'"),
        ((0, "euler"), "at least 1 step, got 0"),
        ((4, "midpoint", 0.1), "0 but for 'euler'; got 0.1 for 'midpoint'"),
        ((4, "euler", -1.0), "at least 0"),
    ],
)
def test_what_solvers_refuse(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(decay, torch.zeros(1, 1), *arguments)


def test_guidance_weighs_the_two_velocities() -> None:
    flow = FlowMatching((3, 2), num_inference_steps=1)
    noise = torch.zeros(2, 3, 2)

    def sample(weight: float) -> Tensor:
        return flow.sample(
            2,
            step_fn=lambda x, t: torch.full_like(x, 5.0),
            unguided_step_fn=lambda x, t: torch.full_like(x, 2.0),
            use_classifier_free_guidance=True,
            inference_guidance_weight=weight,
            noise=noise,
        )

    for weight, expected in ((0.0, 2.0), (1.0, 5.0), (3.0, 11.0)):
        torch.testing.assert_close(sample(weight), torch.full((2, 3, 2), expected))
    with pytest.raises(ValueError, match="needs unguided_step_fn"):
        flow.sample(2, step_fn=decay, use_classifier_free_guidance=True)


def test_noise_comes_from_the_generator_and_is_scaled() -> None:
    flow = FlowMatching((3, 2), num_inference_steps=1)

    def sample(temperature: float) -> Tensor:
        generator = torch.Generator().manual_seed(7)
        return flow.sample(2, lambda x, t: torch.zeros_like(x), temperature=temperature, generator=generator)

    assert torch.equal(sample(0.5), sample(1.0) * 0.5)
    assert not sample(0.0).any()
    with pytest.raises(ValueError, match=r"noise must be \[2, 3, 2\], got \[1, 3, 2\]"):
        flow.sample(2, decay, noise=torch.zeros(1, 3, 2))


@pytest.mark.parametrize("sampler", ["beta", "uniform"])
def test_training_data(sampler: str) -> None:
    torch.manual_seed(0)
    flow = FlowMatching((4, 2), train_timestep_sampler=sampler)
    x = torch.randn(20_000, 4, 2)
    data = flow.construct_training_data(x)
    t = data["timesteps"]
    assert t.shape == (20_000, 1, 1)
    assert float(t.min()) >= 0
    assert float(t.max()) <= (0.999 if sampler == "beta" else 1.0)
    # Beta(1.5, 1) has the mean 0.6.
    assert float(t.mean()) == pytest.approx(0.999 * 0.4 if sampler == "beta" else 0.5, abs=0.01)
    torch.testing.assert_close(data["noisy_x"], t * x + (1 - t) * data["noise"])
    assert float(flow.compute_loss_from_pred(data, x - data["noise"])) == 0
    assert float(flow.compute_loss_from_pred(data, x - data["noise"] + 2)) == pytest.approx(4, rel=1e-5)


def test_training_data_of_given_noise_and_times() -> None:
    flow = FlowMatching((4, 2))
    x, noise = torch.randn(3, 4, 2), torch.randn(3, 4, 2)
    data = flow.construct_training_data(x, noise, torch.tensor([0.0, 0.5, 1.0]))
    assert torch.equal(data["noisy_x"][0], noise[0])
    assert torch.equal(data["noisy_x"][2], x[2])


@pytest.mark.parametrize(
    "arguments", [{"int_method": "rk4"}, {"train_timestep_sampler": "cosine"}, {"num_inference_steps": 0}]
)
def test_what_the_constructor_refuses(arguments: dict) -> None:
    (name, value), *_ = arguments.items()
    with pytest.raises(ValueError, match=f"{name} must be .*got {value!r}"):
        FlowMatching((4, 2), **arguments)
