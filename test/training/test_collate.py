"""From samples to inputs."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reasoning_vla_ros.models.vocabulary import IGNORE_INDEX
from reasoning_vla_ros.planning import Planner
from reasoning_vla_ros.training import TrainingError, TrainingSample
from reasoning_vla_ros.training.collate import Collator

MakeSample = Callable[..., TrainingSample]


def labelled_text(model: Any, batch: Any, row: int = 0) -> str:
    return model.tokenizer.decode(batch.labels[row][batch.labels[row] != IGNORE_INDEX])


@pytest.mark.parametrize("kind", ["tiny_vla", "tiny_alpamayo"])
def test_the_prompt_is_the_planner_s(kind: str, request: pytest.FixtureRequest, make_sample: MakeSample) -> None:
    """Token for token and pixel for pixel: what is trained is what will be asked."""
    model = request.getfixturevalue(kind)
    sample = make_sample(2)
    batch = Collator(model)([sample])
    planner = Planner(model)
    asked = planner._inputs(sample.observation, *planner._history(sample.observation))
    length = asked["input_ids"].shape[1]
    fused = model.fuse_traj_tokens(batch.input_ids, batch.traj_data())
    assert torch.equal(fused[:, :length], asked["input_ids"])
    assert torch.equal(batch.pixel_values, asked["pixel_values"])
    assert torch.equal(batch.image_grid_thw, asked["image_grid_thw"])
    assert bool((batch.labels[:, :length] == IGNORE_INDEX).all())
    assert bool((batch.labels[:, length:] != IGNORE_INDEX).all())


def test_the_answer_is_reasoning_meta_action_and_trajectory(tiny_vla: Any, make_sample: MakeSample) -> None:
    batch = Collator(tiny_vla)([make_sample(reasoning="Go on.", meta_action="keep lane")])
    future = "<|traj_future|>" * 8
    assert labelled_text(tiny_vla, batch) == (
        "Go on.<|cot_end|><|meta_action_start|>keep lane<|meta_action_end|>"
        f"<|traj_future_start|>{future}<|traj_future_end|><|im_end|>"
    )
    assert int(batch.is_trajectory.sum()) == 10
    fused = tiny_vla.fuse_traj_tokens(batch.input_ids, batch.traj_data())
    start = tiny_vla.future_token_start_idx
    tokens = fused[batch.input_ids == tiny_vla.config.traj_token_ids["future"]][None] - start
    history = (batch.ego_history_xyz[:, 0], batch.ego_history_rot[:, 0])
    xyz, _, _ = tiny_vla.traj_tokenizer.decode(*history, tokens)
    assert float((xyz - batch.ego_future_xyz[:, 0]).norm(dim=-1).mean()) < 0.5


@pytest.mark.parametrize(("reasoning", "learned"), [(None, ""), ("", "<|cot_end|>")])
def test_unknown_text_is_not_learned_and_empty_text_is(
    tiny_vla: Any, reasoning: str | None, learned: str, make_sample: MakeSample
) -> None:
    batch = Collator(tiny_vla)([make_sample(reasoning=reasoning)])
    end = "<|im_end|>" if reasoning is not None else ""
    future = "<|traj_future|>" * 8
    expected = f"{learned}<|traj_future_start|>{future}<|traj_future_end|>{end}"
    assert labelled_text(tiny_vla, batch) == expected
    # Either way the model reads the same.
    assert "<|cot_start|><|cot_end|><|traj_future_start|>" in tiny_vla.tokenizer.decode(batch.input_ids[0])


def test_rows_are_padded_on_the_right(tiny_vla: Any, make_sample: MakeSample) -> None:
    collate = Collator(tiny_vla)
    short, long = make_sample(0, reasoning="a"), make_sample(1, reasoning="a long text")
    alone, both = collate([short]), collate([short, long])
    length = alone.input_ids.shape[1]
    assert both.input_ids.shape[1] == length + 10
    assert torch.equal(both.input_ids[0, :length], alone.input_ids[0])
    assert both.attention_mask.sum(dim=1).tolist() == [length, length + 10]
    assert bool((both.labels[0, length:] == IGNORE_INDEX).all())
    assert both.ego_future_xyz.shape == (2, 1, 64, 3)
    assert len(both.image_grid_thw) == 2


def test_other_processes_can_collate(tiny_vla: Any, make_sample: MakeSample) -> None:
    collate = Collator(tiny_vla)
    assert len(pickle.dumps(collate)) < 2_000_000  # no weights
    again = pickle.loads(pickle.dumps(collate))
    assert torch.equal(again([make_sample()]).input_ids, collate([make_sample()]).input_ids)


def test_text_that_would_be_read_as_tokens_is_refused(tiny_vla: Any, make_sample: MakeSample) -> None:
    with pytest.raises(TrainingError, match=r"holds '<\|im_end\|>', which would be read as a special token"):
        Collator(tiny_vla)([make_sample(reasoning="Stop.<|im_end|>")])
    with pytest.raises(TrainingError, match="holds '<i7>'"):
        Collator(tiny_vla)([make_sample(meta_action="<i7>")])


def test_futures_of_different_lengths_do_not_go_together(tiny_vla: Any, make_sample: MakeSample) -> None:
    whole = make_sample()
    cut = TrainingSample(whole.observation, whole.future_xyz[:20], whole.future_rot[:20])
    with pytest.raises(TrainingError, match=r"the same future xyz, got the shapes \[\(20, 3\), \(64, 3\)\]"):
        Collator(tiny_vla)([whole, cut])


def test_a_model_without_tokens_for_trajectories(tiny_vla: Any) -> None:
    tiny_vla.traj_tokenizer = None
    with pytest.raises(TrainingError, match="needs a model with a trajectory tokenizer"):
        Collator(tiny_vla)


def test_a_sample_is_whole_and_finite(make_sample: MakeSample) -> None:
    whole = make_sample()
    with pytest.raises(ValueError, match="must be finite"):
        TrainingSample(whole.observation, np.full_like(whole.future_xyz, np.nan), whole.future_rot)
    with pytest.raises(ValueError, match=r"got \[64, 3\] and \[63, 3, 3\]"):
        TrainingSample(whole.observation, whole.future_xyz, whole.future_rot[:-1])
