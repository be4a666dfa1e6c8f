"""What happens at which step."""

from __future__ import annotations

import pytest
import torch

from reasoning_vla_ros.training import TrainingError
from reasoning_vla_ros.training.config import OptimizerConfig
from reasoning_vla_ros.training.optimization import learning_rate, make_optimizers, set_learning_rate, state_of
from reasoning_vla_ros.training.schedule import FlowDraws, MicroBatches


def test_an_epoch_holds_every_sample_once_in_an_order_of_its_own() -> None:
    drawn = [index for batch in MicroBatches(10, 5, 5, seed=1).indices(0, 4) for index in batch]
    first, second = drawn[:10], drawn[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert first != [index for batch in MicroBatches(10, 5, 5, seed=2).indices(0, 2) for index in batch]


def test_a_step_goes_over_the_end_of_an_epoch() -> None:
    drawn = [index for batch in MicroBatches(3, 4, 2, seed=0).indices(0, 3) for index in batch]
    assert sorted(drawn[:3]) == sorted(drawn[3:6]) == sorted(drawn[6:9]) == [0, 1, 2]


@pytest.mark.parametrize(("processes", "micro"), [(1, 1), (2, 1), (2, 2), (4, 2)])
def test_processes_share_what_one_would_take(processes: int, micro: int) -> None:
    whole = list(MicroBatches(20, 8, 8, seed=3).indices(1, 3))
    parts = [list(MicroBatches(20, 8, micro, rank, processes, 3).indices(1, 3)) for rank in range(processes)]
    for step in range(2):
        per_step = 8 // micro // processes
        together = [index for part in parts for batch in part[step * per_step :][:per_step] for index in batch]
        assert sorted(together) == sorted(whole[step])


def test_a_resumed_stream_is_the_rest_of_the_whole_one() -> None:
    order = MicroBatches(7, 4, 2, seed=5)
    assert list(order.indices(3, 6)) == list(order.indices(0, 6))[6:]


def test_a_batch_that_can_not_be_shared() -> None:
    with pytest.raises(TrainingError, match=r"batch_size is 6, .* micro_batch_size 2 times 2 processes"):
        MicroBatches(10, 6, 2, num_processes=2)
    with pytest.raises(TrainingError, match="no samples"):
        MicroBatches(0, 2, 2)


def test_the_learning_rate_rises_and_falls() -> None:
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=4, final_share=0.1)
    rates = [learning_rate(step, 21, config) for step in range(21)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0
    assert rates[12] == pytest.approx(0.55)
    assert rates[20] == pytest.approx(0.1)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert learning_rate(0, 1, OptimizerConfig(learning_rate=1.0, warmup_steps=0)) == 1.0


def test_vectors_do_not_decay() -> None:
    layer = torch.nn.Linear(2, 3)
    (optimizer,) = make_optimizers(dict(layer.named_parameters()), OptimizerConfig(weight_decay=0.5))
    groups = optimizer.param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.5, 1), (0.0, 1)]


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="Muon needs PyTorch 2.9")
def test_muon_takes_the_layers_matrices_and_adamw_the_rest() -> None:
    names = ("embed_tokens.weight", "layers.0.mlp.weight", "layers.0.norm.weight", "lm_head.weight")
    parameters = {name: torch.nn.Parameter(torch.ones(3) if "norm" in name else torch.ones(3, 3)) for name in names}
    config = OptimizerConfig(learning_rate=1e-3, muon_learning_rate=1e-2, warmup_steps=2)
    muon, adamw = make_optimizers(parameters, config)
    owned = [each for group in muon.param_groups for each in group["params"]]
    assert len(owned) == 1
    assert owned[0] is parameters["layers.0.mlp.weight"]
    assert sum(len(group["params"]) for group in adamw.param_groups) == 3
    assert set_learning_rate([muon, adamw], 0, 10, config) == 5e-4
    assert muon.param_groups[0]["lr"] == pytest.approx(5e-3)
    state_of([muon, adamw], owned[0])["momentum_buffer"] = torch.ones(1)
    assert muon.state[owned[0]]["momentum_buffer"] == 1
    with pytest.raises(KeyError):
        state_of([muon, adamw], torch.nn.Parameter(torch.ones(1)))


def test_draws_of_flow_matching_have_their_distribution_and_follow_from_the_place() -> None:
    draws = FlowDraws((2, 3), "beta", seed=4)
    noise, times = draws(range(2000))
    assert noise.shape == (2000, 2, 3)
    assert float(noise.mean()) == pytest.approx(0, abs=0.03)
    assert float(noise.std()) == pytest.approx(1, abs=0.03)
    # Beta(1.5, 1) has the mean 0.6 and the variance 0.0686.
    assert float(times.mean()) == pytest.approx(0.999 * 0.4, abs=0.02)
    assert float(times.var()) == pytest.approx(0.0686, abs=0.005)
    again, times_again = draws([7, 3])
    assert torch.equal(again, noise[[7, 3]])
    assert torch.equal(times_again, times[[7, 3]])
    _, uniform = FlowDraws((1,), "uniform", seed=4)(range(2000))
    assert float(uniform.mean()) == pytest.approx(0.5, abs=0.02)
