"""AlpamayoR1: what it promises on any weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reasoning_vla_ros.models import Alpamayo15, AlpamayoR1, AlpamayoR1Config
from reasoning_vla_ros.models.action_projection import FourierEncoder, PerWaypointActionProjection
from reasoning_vla_ros.models.navigation import swap_direction, without_navigation
from reasoning_vla_ros.models.small import build_small_model
from reasoning_vla_ros.models.vocabulary import SPECIAL_TOKEN_NAMES

HISTORY = 16


@pytest.fixture(scope="module")
def model(small_alpamayo_dir: Path) -> AlpamayoR1:
    return AlpamayoR1.from_pretrained(small_alpamayo_dir, print_param_count=False).eval()


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Alpamayo15:
    folder = tmp_path_factory.mktemp("small_alpamayo_15")
    model = build_small_model(folder, hidden_size=64, num_layers=2, kind="alpamayo1_5")
    assert isinstance(model, Alpamayo15)
    return model


def prompt_ids(model: Any, text: str) -> Tensor:
    return torch.tensor([model.tokenizer(text, add_special_tokens=False).input_ids])


def driving_prompt(route: str = "", words: str = "drive") -> str:
    return f"{words}<|traj_history_start|>{'<|traj_history|>' * 48}<|traj_history_end|>{route}go<|cot_start|>"


def history(rows: int, speed_mps: float = 8.0) -> dict[str, Tensor]:
    xyz = torch.zeros(rows, 1, HISTORY, 3)
    xyz[..., 0] = torch.arange(-HISTORY + 1, 1) * 0.1 * speed_mps
    return {"ego_history_xyz": xyz, "ego_history_rot": torch.eye(3).expand(rows, 1, HISTORY, 3, 3)}


def data_of(model: Any, text: str) -> dict[str, Any]:
    return {"tokenized_data": {"input_ids": prompt_ids(model, text)}, **history(1)}


def sample(model: Any, data: dict[str, Any], method: str = "", **arguments: Any) -> Any:
    torch.manual_seed(3)
    call = getattr(model, f"sample_trajectories_from_data_with_vlm_rollout{method}")
    return call(data, **{"max_generation_length": 12, "return_extra": True, **arguments})


def test_shapes_with_several_sets(model: AlpamayoR1) -> None:
    """The original fails with more than one set."""
    xyz, rot, extra = sample(model, data_of(model, driving_prompt()), num_traj_samples=3, num_traj_sets=2)
    assert xyz.shape == (1, 2, 3, 64, 3)
    assert rot.shape == (1, 2, 3, 64, 3, 3)
    assert {texts.shape for texts in extra.values()} == {(1, 2, 3)}
    assert torch.isfinite(xyz).all()
    assert not torch.equal(xyz[0, 0], xyz[0, 1])


def test_left_padding_changes_nothing(model: AlpamayoR1) -> None:
    """The original R1 lets the expert attend to padding."""
    ids = prompt_ids(model, driving_prompt())
    shape = (1, 1, *model.diffusion.x_dims)
    noise = torch.randn(shape[1:])
    alone = {"tokenized_data": {"input_ids": ids}, **history(1)}
    padding = torch.full((1, 9), model.tokenizer.pad_token_id)
    padded = {
        "tokenized_data": {
            "input_ids": torch.cat([padding, ids], dim=1),
            "attention_mask": torch.cat([torch.zeros_like(padding), torch.ones_like(ids)], dim=1),
        },
        **history(1),
    }
    arguments = {"num_traj_samples": 1, "diffusion_kwargs": {"noise": noise}}
    expected, _, texts = sample(model, alone, **arguments)
    found, _, found_texts = sample(model, padded, **arguments)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert found_texts["cot"].tolist() == texts["cot"].tolist()


def test_rows_of_one_batch_are_those_of_two(model: AlpamayoR1) -> None:
    """Prompts of different length in one batch; greedy text, given noise."""
    texts = [driving_prompt(), driving_prompt(words="drive on now")]
    rows = [prompt_ids(model, text)[0] for text in texts]
    width = max(map(len, rows))
    noise = torch.randn(2, *model.diffusion.x_dims)
    batch = {
        "tokenized_data": {
            "input_ids": torch.stack([torch.nn.functional.pad(row, (width - len(row), 0)) for row in rows]),
            "attention_mask": torch.stack(
                [torch.nn.functional.pad(torch.ones_like(row), (width - len(row), 0)) for row in rows]
            ),
        },
        **history(2),
    }
    together, _, _ = sample(model, batch, num_traj_samples=1, temperature=0.0, diffusion_kwargs={"noise": noise})
    for row, text in enumerate(texts):
        only = {"noise": noise[row : row + 1]}
        alone, _, _ = sample(model, data_of(model, text), num_traj_samples=1, temperature=0.0, diffusion_kwargs=only)
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-4)


def test_the_expert_sees_prompt_and_text_and_leaves_the_cache(model: AlpamayoR1) -> None:
    from reasoning_vla_ros.models.rollout import Rollout

    x, t = torch.randn(1, *model.diffusion.x_dims), torch.full((1, 1, 1), 0.3)
    velocities = []
    with torch.no_grad():
        for text in ("a quiet road<|traj_future_start|>", "a busy road<|traj_future_start|>"):
            rollout = Rollout(model, {"input_ids": prompt_ids(model, text)}, 1)
            context = model.context_behind(rollout.cache, rollout.mask, rollout.next_position)
            before = [layer.keys.clone() for layer in rollout.cache.layers]
            velocities.append(model.velocity(x, t, context))
            torch.testing.assert_close(model.velocity(x, t, context), velocities[-1], rtol=0, atol=0)
            assert all(torch.equal(layer.keys, keys) for layer, keys in zip(rollout.cache.layers, before, strict=True))
    assert velocities[0].shape == x.shape
    assert not torch.allclose(*velocities)


@pytest.mark.parametrize("causal", [False, True])
def test_waypoints_see_each_other_unless_causal(small_alpamayo_dir: Path, causal: bool) -> None:
    from reasoning_vla_ros.models.rollout import Rollout

    model = AlpamayoR1.from_pretrained(small_alpamayo_dir, expert_non_causal_attention=not causal).eval()
    x, t = torch.randn(1, *model.diffusion.x_dims), torch.full((1, 1, 1), 0.3)
    changed = x.clone()
    changed[:, -1] += 1
    with torch.no_grad():
        rollout = Rollout(model, {"input_ids": prompt_ids(model, "go<|traj_future_start|>")}, 1)
        context = model.context_behind(rollout.cache, rollout.mask, rollout.next_position)
        first, second = (model.velocity(each, t, context)[:, 0] for each in (x, changed))
    assert torch.equal(first, second) == causal


def test_guidance_of_weight_one_is_none(newer: Alpamayo15) -> None:
    data = data_of(newer, driving_prompt("<|route_start|>Turn left<|route_end|>"))

    def guided(weight: float) -> Tensor:
        flow = {"use_classifier_free_guidance": True, "inference_guidance_weight": weight}
        return sample(newer, data, "_cfg_nav", num_traj_samples=2, diffusion_kwargs=flow)[0]

    plain = sample(newer, data, num_traj_samples=2)[0]
    torch.testing.assert_close(guided(1.0), plain, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(guided(3.0), plain, atol=1e-5)
    with pytest.raises(ValueError, match="row 0 has no navigation text"):
        sample(newer, data_of(newer, driving_prompt()), "_cfg_nav", num_traj_samples=1)


def test_guidance_of_weight_zero_is_the_prompt_without_navigation(newer: Alpamayo15) -> None:
    """The text is the guided prompt's in both; here it is empty, since every row starts its trajectory at once."""
    noise = torch.randn(1, *newer.diffusion.x_dims)
    routed = prompt_ids(newer, driving_prompt("<|route_start|>Turn left<|route_end|>") + "<|traj_future_start|>")
    bare = prompt_ids(newer, driving_prompt() + "<|traj_future_start|>")
    from reasoning_vla_ros.models.rollout import Rollout

    route = (newer.special_token_ids["route_start"], newer.special_token_ids["route_end"])
    stripped, mask = without_navigation(routed, None, *route, 0)
    assert torch.equal(stripped, bare)
    assert mask.all()
    with torch.no_grad():
        contexts = []
        for ids in (routed, stripped):
            rollout = Rollout(newer, {"input_ids": ids}, 1)
            contexts.append(newer.context_behind(rollout.cache, rollout.mask, rollout.next_position))
        flow = {"noise": noise, "use_classifier_free_guidance": True}
        without = newer.sample_actions(contexts[0], contexts[1], inference_guidance_weight=0.0, **flow)
        torch.testing.assert_close(without, newer.sample_actions(contexts[1], noise=noise), rtol=1e-5, atol=1e-5)


def test_navigation_text_is_cut_row_by_row() -> None:
    ids = torch.tensor([[7, 1, 5, 5, 2, 8], [0, 7, 1, 5, 2, 8]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]])
    stripped, kept = without_navigation(ids, mask, 1, 2, 0)
    assert stripped.tolist() == [[7, 8], [7, 8]]
    assert kept.tolist() == [[1, 1], [1, 1]]
    ragged, kept = without_navigation(torch.tensor([[7, 1, 2, 8], [1, 5, 2, 8]]), None, 1, 2, 0)
    assert ragged.tolist() == [[7, 8], [0, 8]]
    assert kept.tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("Turn left onto Main St", "Turn right onto Main St"),
        ("Right, then LEFT", "Left, then RIGHT"),
        ("Continue straight", "Continue straight"),
        ("leftover", "leftover"),
    ],
)
def test_swap_direction(text: str, swapped: str) -> None:
    assert swap_direction(text) == swapped
    assert swap_direction(swapped) == text


def test_questions_and_answers(newer: Alpamayo15) -> None:
    data = {
        "tokenized_data": {"input_ids": prompt_ids(newer, "<|question_start|>Why?<|question_end|><|answer_start|>")}
    }
    torch.manual_seed(0)
    texts = newer.generate_text(data, num_samples=2, max_generation_length=8)
    assert {name: answer.shape for name, answer in texts.items()} == dict.fromkeys(
        ("cot", "meta_action", "answer"), (1, 2)
    )


def test_discrete_tokens_of_the_same_checkpoint(model: AlpamayoR1) -> None:
    """An untrained model hardly ever writes a whole trajectory; what is none comes back as NaN and says so."""
    torch.manual_seed(0)
    data = data_of(model, driving_prompt())
    xyz, rot, extra = model.sample_trajectories_from_data(data, num_traj_samples=2, return_extra=True)
    assert xyz.shape == (1, 1, 2, 64, 3)
    assert rot.shape == (1, 1, 2, 64, 3, 3)
    assert torch.equal(torch.from_numpy(~extra["valid"].numpy()), torch.isnan(xyz).all(dim=(-1, -2)))
    with pytest.raises(ValueError, match="at least 128, a trajectory's tokens, got 5"):
        model.sample_trajectories_from_data(data, max_generation_length=5)


def test_the_flow_loss_learns_and_reaches_only_what_it_should(small_alpamayo_dir: Path) -> None:
    torch.manual_seed(0)
    model = AlpamayoR1.from_pretrained(small_alpamayo_dir, print_param_count=False)
    steps = torch.arange(1, 65) * 0.1
    future = torch.zeros(2, 1, 64, 3)
    future[..., 0] = 8 * steps + 0.5 * steps**2
    trajectories = {
        **history(2), "ego_future_xyz": future, "ego_future_rot": torch.eye(3).expand(2, 1, 64, 3, 3)
    }  # fmt: skip
    ids = prompt_ids(model, driving_prompt() + "<|traj_future_start|>").repeat(2, 1)
    loss = model.flow_matching_loss(ids, trajectories)
    loss.backward()
    assert all(parameter.grad is None for parameter in model.vlm.parameters())
    assert all(parameter.grad is not None for parameter in model.expert.parameters())
    model.flow_matching_loss(ids, trajectories, train_vlm=True).backward()
    layer = model.vlm.model.language_model.layers[0]
    assert float(layer.self_attn.k_proj.weight.grad.abs().sum()) > 0

    noise, times = torch.randn(2, *model.diffusion.x_dims), torch.tensor([0.3, 0.6])
    given = {"noise": noise, "timesteps": times}
    own = [parameter for name, parameter in model.named_parameters() if not name.startswith("vlm.")]
    optimizer = torch.optim.Adam(own, lr=3e-3)
    before = float(model.flow_matching_loss(ids, trajectories, **given).detach())
    for _ in range(60):
        optimizer.zero_grad()
        model.flow_matching_loss(ids, trajectories, **given).backward()
        optimizer.step()
    assert float(model.flow_matching_loss(ids, trajectories, **given).detach()) < 0.5 * before


def test_the_flow_loss_does_not_depend_on_padding_or_on_what_follows(model: AlpamayoR1) -> None:
    future = torch.zeros(1, 1, 64, 3)
    future[..., 0] = 0.8 * torch.arange(1, 65)
    trajectories = {
        **history(1), "ego_future_xyz": future, "ego_future_rot": torch.eye(3).expand(1, 1, 64, 3, 3)
    }  # fmt: skip
    given = {"noise": torch.randn(1, *model.diffusion.x_dims), "timesteps": torch.tensor([0.4])}
    ids = prompt_ids(model, driving_prompt() + "<|traj_future_start|>")
    with torch.no_grad():
        expected = model.flow_matching_loss(ids, trajectories, **given)
        longer = torch.cat([ids, ids[:, :5]], dim=1)
        torch.testing.assert_close(model.flow_matching_loss(longer, trajectories, **given), expected)
        for pad in ((4, 0), (0, 4), (2, 3)):
            padded = torch.nn.functional.pad(ids, pad)
            mask = torch.nn.functional.pad(torch.ones_like(ids), pad)
            found = model.flow_matching_loss(padded, trajectories, attention_mask=mask, **given)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        with pytest.raises(ValueError, match=r"row 0 has no <\|traj_future_start\|>"):
            model.flow_matching_loss(ids[:, :-1], trajectories)
        with pytest.raises(ValueError, match=r"lacks \['ego_future_xyz', 'ego_future_rot'\]"):
            model.flow_matching_loss(ids, history(1))


def test_save_and_load(tmp_path: Path, model: AlpamayoR1) -> None:
    model.save_pretrained(tmp_path)
    loaded = AlpamayoR1.from_pretrained(tmp_path)
    saved, found = model.state_dict(), loaded.state_dict()
    assert saved.keys() == found.keys()
    assert all(torch.equal(saved[name], found[name]) for name in saved)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_plans_like_float32(small_alpamayo_dir: Path, model: AlpamayoR1, dtype: torch.dtype) -> None:
    half = AlpamayoR1.from_pretrained(small_alpamayo_dir, dtype=dtype).eval()
    assert {parameter.dtype for parameter in half.parameters()} == {dtype}
    assert half.action_space.accel_std.dtype == torch.float32
    noise = torch.randn(1, *model.diffusion.x_dims)
    arguments = {"num_traj_samples": 1, "temperature": 0.0, "diffusion_kwargs": {"noise": noise}}
    expected, _, _ = sample(model, data_of(model, driving_prompt()), **arguments)
    found, _, _ = sample(half, data_of(half, driving_prompt()), **arguments)
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.3)


def test_the_fourier_frequencies_are_rounded_as_the_model_was_run() -> None:
    exact, rounded = FourierEncoder(20), FourierEncoder(20, dtype=torch.bfloat16)
    assert rounded.freqs.dtype == torch.float32
    assert torch.equal(rounded.freqs, exact.freqs.bfloat16().float())
    assert not torch.equal(rounded.freqs, exact.freqs)
    features = exact(torch.tensor([0.0, 0.25]))
    assert features.shape == (2, 20)
    torch.testing.assert_close(features[0], torch.tensor([0.0] * 10 + [2**0.5] * 10))
    torch.testing.assert_close(features[1, 0], torch.tensor(2**0.5))  # sin of a quarter turn at frequency one


def test_the_projection_treats_waypoints_alike() -> None:
    torch.manual_seed(0)
    project = PerWaypointActionProjection((5, 2), out_dim=16, num_enc_layers=2, hidden_size=8)
    x, t = torch.randn(3, 5, 2), torch.rand(3, 1, 1)
    found = project(x, t)
    assert found.shape == (3, 5, 16)
    torch.testing.assert_close(project(x[:, [2]], t), found[:, [2]])
    torch.testing.assert_close(project(x, t[:, 0]), found)
    for arguments in ({"num_enc_layers": 0}, {"num_fourier_feats": 7}):
        with pytest.raises(ValueError, match="must be"):
            PerWaypointActionProjection((5, 2), out_dim=16, **arguments)


def test_unknown_parts_are_refused(model: AlpamayoR1) -> None:
    for field, part in (
        ("diffusion_cfg", {"_target_": "os.system"}),
        ("action_in_proj_cfg", {"_target_": "evil.module.Class"}),
        ("action_out_proj_cfg", {"_target_": "torch.nn.Bilinear"}),
    ):
        config = copy.deepcopy(model.config)
        setattr(config, field, part)
        with pytest.raises(ValueError, match=rf"{field}: unknown _target_ .*known: \["):
            AlpamayoR1(config)
    config = copy.deepcopy(model.config)
    config.diffusion_cfg = {"_target_": "alpamayo_r1.diffusion.FlowMatching", "speed": 3}
    with pytest.raises(TypeError, match=r"diffusion_cfg: unknown arguments \['speed'\]"):
        AlpamayoR1(config)


def test_an_expert_that_does_not_fit_the_cache_is_refused(model: AlpamayoR1) -> None:
    config = copy.deepcopy(model.config)
    config.expert_cfg = {"head_dim": 8}
    with pytest.raises(ValueError, match="its head_dim must be 32, got 8"):
        AlpamayoR1(config)


def test_15_renames_nine_special_tokens(small_alpamayo_dir: Path, tmp_path: Path) -> None:
    from reasoning_vla_ros.models import Alpamayo15Config
    from reasoning_vla_ros.models.text_tokenizers import byte_tokenizer
    from reasoning_vla_ros.models.vocabulary import ALPAMAYO_15_SPECIAL_TOKENS, extend_tokenizer, token_ids

    ids = []
    for tokens in (None, ALPAMAYO_15_SPECIAL_TOKENS):
        tokenizer = byte_tokenizer()
        extend_tokenizer(tokenizer, 10, True, *([tokens] if tokens else []))
        ids.append(tokenizer.get_vocab())
    assert len(ALPAMAYO_15_SPECIAL_TOKENS) == len(SPECIAL_TOKEN_NAMES)
    renamed = [name for name in SPECIAL_TOKEN_NAMES if name not in ALPAMAYO_15_SPECIAL_TOKENS]
    assert len(renamed) == 9
    assert ids[0]["<|meta_action_start|>"] == ids[1]["<|_padding_2|>"]
    assert ids[0]["<|vectorized_wm_pre_tkn|>"] == ids[1]["<|_padding_8|>"]
    assert ids[0]["<|route_start|>"] == ids[1]["<|route_start|>"]
    assert token_ids(byte_tokenizer(), ALPAMAYO_15_SPECIAL_TOKENS).keys() == ALPAMAYO_15_SPECIAL_TOKENS.keys()
    assert Alpamayo15Config().labels_images
    assert not AlpamayoR1Config().labels_images
    assert (Alpamayo15Config().include_camera_ids, Alpamayo15Config().include_frame_nums) == (False, False)


def test_statistics_and_frequencies_are_rounded_as_the_model_was_made_to_run(
    small_alpamayo_dir: Path, tmp_path: Path
) -> None:
    """A checkpoint made to run in bfloat16 has its numbers rounded to that, in whatever dtype it is loaded."""
    exact = AlpamayoR1.from_pretrained(small_alpamayo_dir)
    space = {**exact.config.action_space_cfg, "accel_std": 0.6810426736454882}
    config = AlpamayoR1Config.from_pretrained(
        small_alpamayo_dir, model_dtype="bfloat16", run_dtype="bfloat16", action_space_cfg=space
    )
    AlpamayoR1(config).save_pretrained(tmp_path)
    for dtype in (torch.bfloat16, torch.float32):
        loaded = AlpamayoR1.from_pretrained(tmp_path, dtype=dtype)
        assert loaded.config.run_dtype == "bfloat16"
        assert float(loaded.action_space.accel_std) == 0.6796875
        assert loaded.action_space.accel_std.dtype == torch.float32
        expected = exact.action_in_proj.sinus[0].freqs.bfloat16().float()
        assert torch.equal(loaded.action_in_proj.sinus[0].freqs.float(), expected)
    with pytest.raises(ValueError, match=r"the checkpoint's accel_std is 0.67.*, its config says 0.25"):
        AlpamayoR1.from_pretrained(tmp_path, action_space_cfg=exact.config.action_space_cfg)


def test_a_prompt_may_end_with_the_start_of_the_trajectory(model: AlpamayoR1) -> None:
    """As the original's training of the language model has it; then the tokens follow at once."""
    start = model.future_token_start_idx
    data = data_of(model, driving_prompt() + "<|traj_future_start|>")
    head = model.vlm.lm_head
    bias = torch.full((head.weight.shape[0],), -1e4)
    bias[start : start + 10] = 0
    handle = head.register_forward_hook(lambda _module, _inputs, logits: logits + bias)
    try:
        xyz, _, extra = model.sample_trajectories_from_data(data, num_traj_samples=2, return_extra=True)
    finally:
        handle.remove()
    assert extra["valid"].all()
    assert torch.isfinite(xyz).all()
