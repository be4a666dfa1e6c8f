"""AlpamayoR1 against reference inputs and outputs of the public original (float32)."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reasoning_vla_ros.models import AlpamayoR1
from reasoning_vla_ros.models.flow_matching import FlowMatching
from reasoning_vla_ros.models.text_rollout import TextSettings, write_text
from reasoning_vla_ros.models.tokenized_data import prompt_inputs

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def arrays(parity_data: Path) -> dict[str, Any]:
    with np.load(parity_data / "alpamayo_r1/rollout_all.npz") as stored:
        return {name: torch.from_numpy(np.asarray(stored[name])) for name in stored.files}


@pytest.fixture(scope="module")
def data(arrays: dict[str, Any]) -> dict[str, Any]:
    names = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")
    return {
        "tokenized_data": {name: arrays[name] for name in names},
        "ego_history_xyz": arrays["hist_xyz"][None],
        "ego_history_rot": arrays["hist_rot"][None],
    }


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, **TOLERANCE)


def test_the_state_dict_is_the_originals(parity_alpamayo: AlpamayoR1, parity_data: Path) -> None:
    expected = json.loads((parity_data / "alpamayo_r1/alpamayo_r1_state_dict_keys.json").read_text())
    found = {name: [list(value.shape), str(value.dtype)] for name, value in parity_alpamayo.state_dict().items()}
    assert {name: found[name] for name in expected} == expected
    assert all(name.startswith("vlm.") for name in found.keys() - expected.keys())


def test_the_stored_rollout(parity_alpamayo: AlpamayoR1, arrays: dict[str, Any], data: dict[str, Any]) -> None:
    """The same random state gives the same text, the same noise and the same trajectories."""
    torch.manual_seed(int(arrays["seed"]))
    xyz, rot, extra = parity_alpamayo.sample_trajectories_from_data_with_vlm_rollout(
        data, num_traj_samples=3, max_generation_length=64, return_extra=True
    )
    close(xyz, arrays["pred_xyz"])
    close(rot, arrays["pred_rot"])
    assert {name: texts.shape for name, texts in extra.items()} == dict.fromkeys(
        ("cot", "meta_action", "answer"), (1, 1, 3)
    )


def test_every_part_of_the_stored_rollout(
    parity_alpamayo: AlpamayoR1, arrays: dict[str, Any], data: dict[str, Any]
) -> None:
    model = parity_alpamayo
    torch.manual_seed(int(arrays["seed"]))
    start = model.config.traj_token_start_idx
    with torch.no_grad():
        written = write_text(
            model,
            prompt_inputs(model, data),
            3,
            TextSettings(max_new_tokens=64),
            model.config.traj_token_ids["future_start"],
            barred=(start, start + model.config.traj_vocab_size),
        )
        assert torch.equal(written.sequences, arrays["sequences_padded"])
        context = model.context_behind(
            written.rollout.cache, written.visible(written.rollout.mask.shape[1]), written.next_position
        )
        assert torch.equal(context.position_ids, arrays["position_ids"])
        assert torch.equal(context.attention_mask, arrays["expert_attention_mask"])
        noise = torch.randn(arrays["noise_x0"].shape)
        assert torch.equal(noise, arrays["noise_x0"])
        for step in range(arrays["t_per_step"].shape[1]):
            x, t = arrays["x_per_step"][:, step], arrays["t_per_step"][:, step, None, None]
            close(model.action_in_proj(x, t), arrays["in_proj_per_step"][:, step])
            close(model.velocity(x, t, context), arrays["velocity_per_step"][:, step])
        # Step by step all agrees within 1e-7. The steps feed each other through features of up to 100 periods a unit,
        # so that transformers 5's other rounding grows to 3e-5; with 4.57, which made the arrays, nothing differs.
        actions = model.sample_actions(context, noise=noise)
        torch.testing.assert_close(actions, arrays["final_action"], rtol=0, atol=1e-4)
    history = (arrays["hist_xyz"].expand(3, -1, -1), arrays["hist_rot"].expand(3, -1, -1, -1))
    close(model.action_space.decode(*history, arrays["final_action"])[0], arrays["pred_xyz"][0, 0])


def test_noise_can_be_given(parity_alpamayo: AlpamayoR1, arrays: dict[str, Any], data: dict[str, Any]) -> None:
    """Texts that do not matter: all rows begin their trajectory at once, and the noise is the stored one."""
    torch.manual_seed(int(arrays["seed"]))
    xyz, _ = parity_alpamayo.sample_trajectories_from_data_with_vlm_rollout(
        data, num_traj_samples=3, max_generation_length=64, diffusion_kwargs={"noise": arrays["noise_x0"]}
    )
    close(xyz, arrays["pred_xyz"])


def test_the_callers_data_stays(parity_alpamayo: AlpamayoR1, data: dict[str, Any]) -> None:
    """The original pops input_ids, so that a second call fails."""
    before = copy.deepcopy(data)
    for _ in range(2):
        parity_alpamayo.sample_trajectories_from_data_with_vlm_rollout(data, num_traj_samples=1)
    assert data.keys() == before.keys()
    for name, value in before["tokenized_data"].items():
        assert torch.equal(data["tokenized_data"][name], value)


def test_the_euler_sampler(parity_data: Path) -> None:
    with np.load(parity_data / "alpamayo_r1/flow_matching_euler.npz") as stored:
        steps, times = torch.from_numpy(stored["all_steps"]), torch.from_numpy(stored["t"])
    torch.manual_seed(0)
    flow = FlowMatching(x_dims=tuple(steps.shape[2:]), num_inference_steps=len(times) - 1)
    ours, our_times = flow.sample(
        batch_size=len(steps), step_fn=lambda x, t: -x * (1 + t), device="cpu", return_all_steps=True
    )
    assert torch.equal(our_times, times)
    close(ours, steps)
