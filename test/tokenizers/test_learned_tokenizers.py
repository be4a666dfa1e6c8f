"""What vqvae, fsq and rvq have in common, on tiny data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.tokenizers import (
    ActionTokenizer,
    FSQActionTokenizer,
    InvalidTokensError,
    RVQActionTokenizer,
    VQVAEActionTokenizer,
    create_action_tokenizer,
    create_tokenizer,
)

HORIZON, DIMS = 10, 2
ARGUMENTS: dict[str, dict[str, Any]] = {
    "vqvae": {"num_embeddings": 32, "hidden_dim": 16},
    "fsq": {"num_codes": 4, "levels": [4, 3, 3], "hidden_dim": 16},
    "rvq": {"num_codes": 3, "num_embeddings": 32, "components": 6, "num_frames": 4},
}
FITTING: dict[str, dict[str, int]] = {"vqvae": {"epochs": 20}, "fsq": {"epochs": 80}, "rvq": {"iterations": 4}}
NAMES = pytest.mark.parametrize("name", list(ARGUMENTS))


def waves(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    size, phase = torch.randn(2, count, 1, DIMS, generator=generator)
    return 3 + size * torch.sin(torch.linspace(0, 3, HORIZON)[:, None] + phase)


def new(name: str) -> Any:
    return create_action_tokenizer(name, action_dims=DIMS, horizon=HORIZON, **ARGUMENTS[name])


@cache
def fitted(name: str) -> Any:
    return new(name).fit(waves(600), **FITTING[name])


@NAMES
def test_ids_and_actions(name: str) -> None:
    tokenizer, actions = fitted(name), waves(300, seed=1)
    ids = tokenizer.encode(actions)
    assert ids.dtype == torch.int64
    assert ids.shape == (300, tokenizer.num_tokens)
    assert tokenizer.num_tokens == tokenizer.num_tokens_for(HORIZON)
    assert 0 <= ids.min() <= ids.max() < tokenizer.vocab_size
    decoded = tokenizer.decode(ids)
    assert decoded.dtype == torch.float32
    assert decoded.shape == actions.shape
    assert (decoded - actions).norm(dim=-1).mean() < 0.35 * (actions - 3).norm(dim=-1).mean()
    assert tokenizer.decode(ids, dtype=torch.float64).dtype == torch.float64
    # Rows do not mix, and the block they are computed in changes nothing but rounding.
    assert (tokenizer.encode(actions[:1]) == ids[:1]).all()
    assert torch.allclose(tokenizer.decode(ids[:1]), decoded[:1], atol=1e-4)


@NAMES
def test_numpy_gives_numpy(name: str) -> None:
    tokenizer, actions = fitted(name), waves(3, seed=1)
    ids = tokenizer.encode(actions.numpy())
    assert ids.tolist() == tokenizer.encode(actions).tolist()
    assert tokenizer.decode(ids).tolist() == tokenizer.decode(torch.from_numpy(ids)).tolist()


@NAMES
def test_the_seed_repeats_a_fit(name: str) -> None:
    results = [new(name).fit(waves(100), seed=4, **FITTING[name]).state_dict() for _ in range(2)]
    assert results[0].keys() == results[1].keys()
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


@NAMES
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    tokenizer, actions = fitted(name), waves(20, seed=1)
    tokenizer.save_pretrained(tmp_path)
    loaded = create_action_tokenizer(tmp_path)
    assert loaded.get_config() == tokenizer.get_config()
    ids = tokenizer.encode(actions)
    assert torch.equal(loaded.encode(actions), ids)
    assert torch.equal(loaded.decode(ids), tokenizer.decode(ids))


@NAMES
def test_tensors_of_others_are_refused(name: str) -> None:
    other = {"vqvae": "fsq", "fsq": "rvq", "rvq": "vqvae"}[name]
    with pytest.raises(ValueError, match=f"'{name}'"):
        new(name).load_state_dict(fitted(other).state_dict())


@NAMES
def test_nothing_learned_yet(name: str) -> None:
    tokenizer = new(name)
    assert tokenizer.state_dict() == {}
    with pytest.raises(RuntimeError, match=f"'{name}' has learned nothing yet; call fit"):
        tokenizer.encode(waves(1))
    with pytest.raises(RuntimeError, match="has learned nothing yet"):
        tokenizer.decode(torch.zeros(1, tokenizer.num_tokens, dtype=torch.long))
    with pytest.raises(ValueError, match="at least one chunk"):
        tokenizer.fit(waves(0))


@NAMES
def test_other_actions_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"need the shape \[B, {HORIZON}, {DIMS}\], got \[2, 9, 2\]"):
        fitted(name).encode(torch.zeros(2, 9, DIMS))
    with pytest.raises(ValueError, match="must be finite"):
        fitted(name).encode(torch.full((1, HORIZON, DIMS), torch.nan))


@NAMES
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e6, 1e30, 1e300])
def test_absurd_actions_still_have_ids(name: str, size: float) -> None:
    tokenizer = fitted(name)
    actions = size * torch.randn(20, HORIZON, DIMS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert tokenizer.decode(tokenizer.encode(actions)).isfinite().all()


@NAMES
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_ids_give_actions_or_an_error_and_never_both(name: str, data: st.DataObject) -> None:
    tokenizer: ActionTokenizer = fitted(name)
    count = data.draw(st.integers(0, tokenizer.num_tokens + 1))
    id_ = st.integers(-1, tokenizer.vocab_size) | st.sampled_from([-(2**63), 2**63 - 1])
    rows = data.draw(st.lists(st.lists(id_, min_size=count, max_size=count), min_size=1, max_size=3))
    tokens = torch.tensor(rows, dtype=torch.long).reshape(len(rows), count)
    counts = range(1, tokenizer.num_tokens + 1) if name == "rvq" else [tokenizer.num_tokens]
    wanted = [count in counts and all(0 <= i < tokenizer.vocab_size for i in row) for row in rows]
    actions, valid = tokenizer.decode(tokens, strict=False)
    assert valid.tolist() == wanted
    assert actions.shape == (len(rows), HORIZON, DIMS)
    assert actions[valid].isfinite().all()
    assert actions[~valid].isnan().all()
    if all(wanted):
        assert torch.allclose(tokenizer.decode(tokens), actions, atol=1e-4)
    else:
        with pytest.raises(InvalidTokensError):
            tokenizer.decode(tokens)


@NAMES
def test_no_rows(name: str) -> None:
    tokenizer = fitted(name)
    ids = tokenizer.encode(waves(0))
    assert ids.shape == (0, tokenizer.num_tokens)
    assert tokenizer.decode(ids).shape == (0, HORIZON, DIMS)
    assert tokenizer.decode(ids, strict=False)[0].shape == (0, HORIZON, DIMS)


@NAMES
def test_behind_an_action_space(name: str) -> None:
    tokenizer = create_tokenizer(f"unicycle+{name}", **ARGUMENTS[name])
    assert tokenizer.action_tokenizer.horizon == 64
    assert tokenizer.num_tokens == (64 if name == "vqvae" else ARGUMENTS[name]["num_codes"])


def test_use_is_reported() -> None:
    assert 1 < fitted("vqvae").use.perplexity <= 32
    assert fitted("vqvae").use.used_share > 0.9
    assert 0 < fitted("fsq").use.used_share <= 1
    assert len(fitted("vqvae").history["loss"]) == 20
    assert [use.used_share > 0.8 for use in fitted("rvq").uses] == [True] * 3
    epochs: list[int] = []
    new("fsq").fit(waves(50), epochs=3, on_epoch=lambda epoch, means: epochs.append(epoch))
    assert epochs == [1, 2, 3]
    stages: list[tuple[int, int]] = []
    new("rvq").fit(waves(50), iterations=1, on_stage=lambda *at: stages.append(at))
    assert stages == [(1, 3), (2, 3), (3, 3)]


def test_few_codes_a_chunk() -> None:
    tokenizer = VQVAEActionTokenizer(DIMS, HORIZON, 64, num_codes=3, hidden_dim=16, embedding_dim=4)
    ids = tokenizer.fit(waves(300), epochs=5).encode(waves(2))
    assert ids.shape == (2, 3)
    assert tokenizer.decode(ids).shape == (2, HORIZON, DIMS)


def test_more_of_the_ids_of_rvq_say_it_more_exactly() -> None:
    tokenizer, actions = fitted("rvq"), waves(300, seed=1)
    ids = tokenizer.encode(actions)
    errors = [float((tokenizer.decode(ids[:, :n]) - actions).norm(dim=-1).mean()) for n in (1, 2, 3)]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]


def test_a_wider_beam_errs_less() -> None:
    actions, errors = waves(600, seed=1), []
    for beam in (1, 2, 8):
        tokenizer = RVQActionTokenizer(DIMS, HORIZON, **{**ARGUMENTS["rvq"], "beam": beam})
        tokenizer.load_state_dict(fitted("rvq").state_dict())
        errors.append(float((tokenizer.decode(tokenizer.encode(actions)) - actions).square().sum()))
    assert errors[0] > errors[1] > errors[2]


def test_the_greedy_search_takes_the_nearest_code_of_each_stage() -> None:
    tokenizer = RVQActionTokenizer(DIMS, HORIZON, **{**ARGUMENTS["rvq"], "beam": 1})
    tokenizer.load_state_dict(fitted("rvq").state_dict())
    actions = waves(50, seed=2)
    ids = tokenizer.encode(actions)
    for stage in range(3):
        starts = ids[:, : stage + 1].repeat_interleave(32, 0)
        starts[:, stage] = torch.arange(32).repeat(50)
        error = (tokenizer.decode(starts) - actions.repeat_interleave(32, 0)).square().sum((1, 2)).reshape(50, 32)
        chosen = error.gather(1, ids[:, stage : stage + 1])[:, 0]
        assert (chosen <= error.amin(1) * (1 + 1e-4) + 1e-5).all()


def test_fsq_ids_are_mixed_radix_of_levels() -> None:
    tokenizer = fitted("fsq")
    ids = torch.arange(36)[:, None].expand(36, 4)
    model = tokenizer.model
    digits = ids[..., None] // model.radix % (model.tops.long() + 1)
    assert len(digits[:, 0].unique(dim=0)) == 36
    assert torch.equal(model._indices(digits), ids)


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (VQVAEActionTokenizer, {"horizon": 0}, "horizon must be at least 1, got 7, 0"),
        (VQVAEActionTokenizer, {"num_codes": 0}, "num_codes must be at least 1, got 0"),
        (VQVAEActionTokenizer, {"num_embeddings": 1}, "num_embeddings must be at least 2"),
        (FSQActionTokenizer, {"levels": [5, 1]}, r"levels must be at least 2 each, got \[5, 1\]"),
        (FSQActionTokenizer, {"num_codes": 0}, "num_codes and hidden_dim must be at least 1, got 0"),
        (RVQActionTokenizer, {"beam": 0}, "beam must be at least 1, got 0"),
        (RVQActionTokenizer, {"num_embeddings": 64}, "num_embeddings must be at least .*, got 64, 128, 2"),
    ],
)
def test_bad_arguments_are_named(cls: type, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**arguments)
