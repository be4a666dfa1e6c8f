"""ReasoningVLA: construction, loading and saving, forward and loss, and parity with the public original."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from reasoning_vla_ros.models import ReasoningVLA, ReasoningVLAConfig
from reasoning_vla_ros.models.small import build_small_model
from reasoning_vla_ros.models.text_tokenizers import byte_tokenizer

DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@pytest.fixture(scope="module")
def small(small_model_dir: Path) -> ReasoningVLA:
    return ReasoningVLA.from_pretrained(small_model_dir, print_param_count=False).eval()


def small_config(small_model_dir: Path, **fields: object) -> ReasoningVLAConfig:
    return ReasoningVLAConfig.from_pretrained(small_model_dir, **fields)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_part_has_the_dtype_asked_for(small_model_dir: Path, dtype: torch.dtype) -> None:
    loaded = ReasoningVLA.from_pretrained(small_model_dir, dtype=dtype)
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}
    name = str(dtype).removeprefix("torch.")
    by_name = ReasoningVLA.from_pretrained(small_model_dir, dtype=name)
    assert {parameter.dtype for parameter in by_name.parameters()} == {dtype}
    built = ReasoningVLA(small_config(small_model_dir, model_dtype=name))
    assert {parameter.dtype for parameter in built.parameters()} == {dtype}
    # Rotary frequencies stay float32: halves would shift the positions of long prompts.
    assert {buffer.dtype for buffer in loaded.buffers()} == {torch.float32}


@pytest.mark.parametrize("tied", [True, False])
def test_save_and_load_offline(tmp_path: Path, tied: bool) -> None:
    model = build_small_model(tmp_path / "first", hidden_size=64, num_layers=2, tied=tied)
    model.save_pretrained(tmp_path / "second")
    loaded = ReasoningVLA.from_pretrained(tmp_path / "second")
    saved, found = model.state_dict(), loaded.state_dict()
    assert saved.keys() == found.keys()
    assert all(torch.equal(saved[name], found[name]) for name in saved)
    assert (loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight) == tied
    assert len(loaded.tokenizer) == loaded.config.vocab_size == model.config.vocab_size
    assert loaded.tokenizer.get_vocab() == model.tokenizer.get_vocab()
    assert loaded.special_token_ids == model.special_token_ids
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, loaded.get_buffer(name)), name


def test_a_saved_folder_is_read_by_both_versions_of_transformers(small_model_dir: Path) -> None:
    """Version 4.57 reads rope_scaling and knows PreTrainedTokenizerFast; version 5 writes other names by itself."""
    text = json.loads((small_model_dir / "vlm/config.json").read_text())["text_config"]
    assert text["rope_theta"] == 5_000_000
    assert text["rope_scaling"]["mrope_section"] == [8, 4, 4]
    settings = json.loads((small_model_dir / "vlm/tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_auto_classes_find_it(small_model_dir: Path) -> None:
    from transformers import AutoModel

    assert isinstance(AutoModel.from_pretrained(small_model_dir), ReasoningVLA)


def test_a_saved_folder_can_be_moved(tmp_path: Path, small_model_dir: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in small_model_dir.rglob("*"):
        if path.is_file():
            target = moved / path.relative_to(small_model_dir)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    assert json.loads((moved / "config.json").read_text())["vlm_name_or_path"] == "vlm"
    assert ReasoningVLA.from_pretrained(moved).config.vlm_name_or_path == str(moved / "vlm")


def test_construction_and_embeddings(small_model_dir: Path, small: ReasoningVLA) -> None:
    config = small_config(small_model_dir)
    fresh = ReasoningVLA(config)
    base_rows = small.config.traj_token_start_idx
    assert fresh.original_vocab_size == small.original_vocab_size == len(byte_tokenizer())
    assert fresh.get_input_embeddings().weight.shape[0] == config.vocab_size
    assert fresh.get_output_embeddings().weight.shape[0] == config.vocab_size
    assert base_rows == fresh.future_token_start_idx
    assert fresh.hist_token_start_idx == base_rows + fresh.traj_tokenizer.vocab_size
    given = ReasoningVLA(config, pretrained_modules={"vlm": small.vlm}, original_vocab_size=7, print_param_count=False)
    assert given.vlm is small.vlm
    assert given.original_vocab_size == 7


def test_the_parameter_count_is_logged_on_request(small_model_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="reasoning_vla_ros")
    ReasoningVLA(small_config(small_model_dir), print_param_count=False)
    assert "parameters" not in caplog.text
    model = ReasoningVLA(small_config(small_model_dir))
    assert f"{sum(parameter.numel() for parameter in model.parameters())} parameters" in caplog.text


def test_pretrained_submodules_keep_their_rows(tmp_path: Path, parity_data: Path) -> None:
    config = ReasoningVLAConfig(
        vlm_name_or_path=str(parity_data / "alpamayo_r1/tiny_vlm"),
        traj_vocab_size=128,
        add_special_tokens=True,
        model_dtype="float32",
        attn_implementation="sdpa",
    )
    from transformers import Qwen3VLForConditionalGeneration

    vlm = Qwen3VLForConditionalGeneration.from_pretrained(config.vlm_name_or_path, dtype=torch.float32)
    model = ReasoningVLA.from_pretrained_submodules(config)
    assert model.original_vocab_size == 384
    embeddings = model.get_input_embeddings().weight
    assert embeddings.shape[0] == model.get_output_embeddings().weight.shape[0] == 482
    assert torch.equal(embeddings[:384], vlm.get_input_embeddings().weight)
    assert torch.equal(model.get_output_embeddings().weight[:384], vlm.lm_head.weight)
    model.save_pretrained(tmp_path)
    again = ReasoningVLA.from_pretrained(tmp_path)
    assert torch.equal(again.get_input_embeddings().weight, embeddings)


def test_forward_trains(small_model_dir: Path) -> None:
    """The loss on fused future tokens falls under a few steps of gradient descent."""
    torch.manual_seed(0)
    model = ReasoningVLA.from_pretrained(small_model_dir, print_param_count=False).train()
    ids = model.config.traj_token_ids
    steps = torch.arange(64, dtype=torch.float32)
    future = torch.stack([steps, 0.001 * steps**2, 0 * steps], dim=-1)[None, None] + 1.0
    history = torch.stack([torch.arange(-15.0, 1.0), torch.zeros(16), torch.zeros(16)], dim=-1)[None, None]
    eye = torch.eye(3)
    data = {
        "ego_history_xyz": history,
        "ego_history_rot": eye.expand(1, 1, 16, 3, 3),
        "ego_future_xyz": future,
        "ego_future_rot": eye.expand(1, 1, 64, 3, 3),
    }
    prompt = torch.tensor([[ids["history_start"], *[ids["history"]] * 48, ids["history_end"]]])
    answer = torch.tensor([[ids["future_start"], *[ids["future"]] * 128, ids["future_end"]]])
    input_ids = torch.cat([prompt, answer], dim=1)
    labels = input_ids.clone()
    labels[:, : prompt.shape[1]] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(20):
        loss = model(input_ids, labels=labels, traj_data=data).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # At first it is the uniform distribution's; one sequence is soon learnt by heart.
    assert abs(losses[0] - np.log(model.config.vocab_size)) < 1.0
    assert losses[-1] < 0.5 * losses[0]


def test_embeddings_can_be_resized(small_model_dir: Path) -> None:
    model = ReasoningVLA.from_pretrained(small_model_dir)
    rows = model.get_input_embeddings().weight.clone()
    model.resize_token_embeddings(len(rows) + 3)
    assert torch.equal(model.get_input_embeddings().weight[: len(rows)], rows)
    assert len(model.get_output_embeddings().weight) == len(rows) + 3


def test_labels_take_the_fused_tokens(small: ReasoningVLA) -> None:
    ids = small.config.traj_token_ids
    history = {"ego_history_xyz": torch.zeros(1, 1, 16, 3), "ego_history_rot": torch.eye(3).expand(1, 1, 16, 3, 3)}
    input_ids = torch.tensor([[1, *[ids["history"]] * 48, 2]])
    fused = small.fuse_traj_tokens(input_ids, history)
    with torch.no_grad():
        by_placeholders = small(input_ids, labels=input_ids, traj_data=history).loss
        by_tokens = small(fused, labels=fused).loss
    assert torch.equal(by_placeholders, by_tokens)


def test_left_padding_changes_nothing(small: ReasoningVLA) -> None:
    row = torch.arange(5, 25)
    padded = torch.stack([row, torch.cat([torch.zeros(6, dtype=torch.long), row[:14]])])
    mask = torch.ones_like(padded)
    mask[1, :6] = 0
    with torch.no_grad():
        batch = small(padded, attention_mask=mask).logits[1, 6:]
        alone = small(row[None, :14]).logits[0]
    assert torch.allclose(batch, alone, atol=1e-5)


def test_right_padding_changes_nothing(small: ReasoningVLA) -> None:
    ids = torch.arange(5, 45).reshape(2, 20)
    mask = torch.ones_like(ids)
    mask[1, 14:] = 0
    with torch.no_grad():
        ours = small(ids, attention_mask=mask).logits
        theirs = small.vlm(input_ids=ids, attention_mask=mask).logits
    assert torch.allclose(ours[mask.bool()], theirs[mask.bool()], atol=1e-5)


def test_image_tokens_without_images_are_text(small: ReasoningVLA) -> None:
    ids = torch.tensor([[20, small.special_token_ids["image_pad"], 40]])
    with torch.no_grad():
        assert torch.allclose(small(ids).logits, small.vlm(input_ids=ids).logits, atol=1e-5)


def test_half_precision_training_keeps_the_labels_exact(small: ReasoningVLA) -> None:
    ids = small.config.traj_token_ids
    history = {"ego_history_xyz": torch.zeros(1, 1, 16, 3), "ego_history_rot": torch.eye(3).expand(1, 1, 16, 3, 3)}
    steps = torch.arange(1.0, 65)
    future = {
        "ego_future_xyz": torch.stack([1.3 * steps, 0.01 * steps**2, 0 * steps], dim=-1)[None, None],
        "ego_future_rot": torch.eye(3).expand(1, 1, 64, 3, 3),
    }
    row = torch.tensor([[*[ids["history"]] * 48, *[ids["future"]] * 128]])
    fused = small.fuse_traj_tokens(row, {**history, **future})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(small.fuse_traj_tokens(row, {**history, **future}), fused)


def test_what_was_asked_for_is_what_is_saved(small_model_dir: Path, tmp_path: Path) -> None:
    model = ReasoningVLA.from_pretrained(small_model_dir, dtype="auto").to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    again = ReasoningVLA.from_pretrained(tmp_path)
    assert {parameter.dtype for parameter in again.parameters()} == {torch.bfloat16}
    assert again.original_vocab_size == model.original_vocab_size
    given = ReasoningVLAConfig(vlm_name_or_path=small_model_dir / "vlm", traj_vocab_size=510, model_dtype=torch.float16)
    assert (given.vlm_name_or_path, given.model_dtype) == (str(small_model_dir / "vlm"), "float16")
    with pytest.raises(ValueError, match=r"model_dtype must be one of .* got 'float33'"):
        ReasoningVLAConfig(model_dtype="float33")


def test_a_changed_vocabulary_gives_its_own_sizes(parity_data: Path) -> None:
    tiny = str(parity_data / "alpamayo_r1/tiny_vlm")
    saved = ReasoningVLAConfig(vlm_name_or_path=tiny, traj_vocab_size=128, add_special_tokens=True).to_dict()
    assert saved["vocab_size"] == 482
    assert ReasoningVLAConfig(**{**saved, "traj_vocab_size": 200}).vocab_size == 554


def test_a_model_on_a_hub_brings_its_own_vlm_folder(
    small_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the repository in the hub's cache, loading by its id takes nothing from elsewhere."""
    from huggingface_hub import constants

    snapshot = tmp_path / "models--me--vla/snapshots/abc"
    shutil.copytree(small_model_dir, snapshot)
    (tmp_path / "models--me--vla/refs").mkdir()
    (tmp_path / "models--me--vla/refs/main").write_text("abc")
    for holder in (constants, transformers.utils.hub):
        monkeypatch.setattr(holder, "HF_HUB_CACHE", str(tmp_path), raising=False)
    config = ReasoningVLAConfig.from_pretrained("me/vla", cache_dir=str(tmp_path), local_files_only=True)
    assert Path(config.vlm_name_or_path).is_dir()


def test_tokenizers_that_do_not_fit_are_named(small_model_dir: Path) -> None:
    model = ReasoningVLA(
        small_config(
            small_model_dir, traj_vocab_size=100, vocab_size=None, traj_token_start_idx=None, traj_token_ids=None
        ),
        print_param_count=False,
    )
    with pytest.raises(ValueError, match=r"255 future \+ 255 history = 510 trajectory tokens, the model has 100"):
        model.check_tokenizers_fit()


def test_a_tokenizer_that_is_not_the_models_is_refused(small_model_dir: Path, parity_data: Path) -> None:
    with pytest.raises(
        ValueError, match=r"vocab_size 801, the tokenizer of .*tiny_vlm' with traj_vocab_size 510 gives 864"
    ):
        ReasoningVLA.from_pretrained(small_model_dir, vlm_name_or_path=str(parity_data / "alpamayo_r1/tiny_vlm"))


def test_a_folder_without_config_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"holds no config.json; it holds \['weights.bin'\]"):
        ReasoningVLA.from_pretrained(tmp_path)


def test_a_checkpoint_without_tokenizer_says_how_to_name_one(parity_data: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"but the folder 'tiny_vlm' does not exist .* --vlm of the command"):
        ReasoningVLA.from_pretrained(parity_data / "alpamayo_r1/reasoning_vla_hf")


def test_an_unknown_backend_lists_the_known(small_model_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown vlm_backend 'other'; known: \['qwenvl3'\]"):
        ReasoningVLA(small_config(small_model_dir, vlm_backend="other"))


def test_no_code_from_a_checkpoint(small_model_dir: Path, tmp_path: Path) -> None:
    config = small_config(small_model_dir, traj_tokenizer_cfg={"_target_": "os.system", "command": "true"})
    with pytest.raises(ValueError, match=r"os\.system"):
        ReasoningVLA(config)


def test_flash_attention_falls_back_in_words(small_model_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = ReasoningVLA.from_pretrained(small_model_dir, attn_implementation="flash_attention_2")
    if "flash_attn is not installed" in caplog.text:
        assert model.vlm.config._attn_implementation == "sdpa"
    else:
        assert model.vlm.config._attn_implementation == "flash_attention_2"


def test_parity_of_keys_and_config(parity_reasoning_vla: ReasoningVLA, parity_data: Path) -> None:
    folder = parity_data / "alpamayo_r1"
    keys = json.loads((folder / "reasoning_vla_state_dict_keys.json").read_text())
    state = parity_reasoning_vla.state_dict()
    assert set(state) == set(keys)
    assert all(
        list(state[name].shape) == shape[0] if isinstance(shape[0], list) else shape for name, shape in keys.items()
    )
    expected = json.loads((folder / "reasoning_vla_config_to_dict.json").read_text())
    found = parity_reasoning_vla.config.to_dict()
    derived = {"vocab_size", "traj_token_start_idx", "traj_token_ids", "traj_tokenizer_cfg", "hist_traj_tokenizer_cfg"}
    settings = {"vlm_backend", "model_dtype", "attn_implementation", "min_pixels", "max_pixels", "add_special_tokens"}
    counts = {"traj_vocab_size", "tokens_per_history_traj", "tokens_per_future_traj"}
    for name in derived | settings | counts:
        assert found[name] == expected[name], name
    notes = json.loads((folder / "notes_model.json").read_text())["from_pretrained_submodules"]
    assert parity_reasoning_vla.special_token_ids == notes["special_token_ids"]


def test_parity_of_the_forward(parity_reasoning_vla: ReasoningVLA, parity_data: Path) -> None:
    arrays = np.load(parity_data / "alpamayo_r1" / "vlm_forward.npz")
    model = parity_reasoning_vla.eval()

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(arrays[name])

    history = {"ego_history_xyz": tensor("hist_xyz")[:, None], "ego_history_rot": tensor("hist_rot")[:, None]}
    assert torch.equal(model.fuse_traj_tokens(tensor("input_ids"), history), tensor("fused_ids"))
    images = {"pixel_values": tensor("pixel_values"), "image_grid_thw": tensor("image_grid_thw")}
    with torch.no_grad():
        logits = model(tensor("input_ids"), tensor("attention_mask"), traj_data=history, **images).logits
        text_logits = model(tensor("text_ids")).logits
    assert torch.allclose(logits[:, -8:], tensor("logits_last8"), atol=1e-5)
    assert torch.allclose(text_logits[:, -8:], tensor("text_logits_last8"), atol=1e-5)


def test_parity_of_greedy_tokens(parity_reasoning_vla: ReasoningVLA, parity_data: Path) -> None:
    from reasoning_vla_ros.models.rollout import Rollout

    arrays = np.load(parity_data / "alpamayo_r1" / "vlm_forward.npz")
    expected = torch.from_numpy(arrays["greedy_sequence"])
    inputs = {name: torch.from_numpy(arrays[name]) for name in ("pixel_values", "image_grid_thw")}
    inputs["input_ids"] = torch.from_numpy(arrays["fused_ids"])
    sequence = inputs["input_ids"]
    with torch.inference_mode():
        rollout = Rollout(parity_reasoning_vla.eval(), inputs, num_samples=1)
        while sequence.shape[1] < expected.shape[1]:
            token = rollout.logits.argmax(dim=-1)
            sequence = torch.cat([sequence, token[:, None]], dim=1)
            rollout.step(token, torch.tensor([True]))
    assert torch.equal(sequence, expected)
