from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from reasoning_vla_ros.tokenizers import ActionVQVAE, train_action_vqvae


def waves(count: int, horizon: int = 8, dims: int = 3, seed: int = 0) -> torch.Tensor:
    """Smooth chunks, each by two numbers."""
    generator = torch.Generator().manual_seed(seed)
    size, phase = torch.randn(2, count, 1, dims, generator=generator)
    return 5 + size * torch.sin(torch.linspace(0, 3, horizon)[:, None] + phase)


@pytest.mark.parametrize(("chunk", "tokens", "count"), [(None, None, 8), (8, None, 8), (8, 3, 3)])
def test_what_forward_gives(chunk: int | None, tokens: int | None, count: int) -> None:
    model = ActionVQVAE(3, 16, 32, chunk_size=chunk, num_tokens=tokens)
    outputs = model(waves(4))
    assert sorted(outputs) == ["encoding_indices", "perplexity", "quantized", "reconstructed", "vq_loss"]
    assert outputs["reconstructed"].shape == (4, 8, 3)
    assert outputs["encoding_indices"].shape == (4, count)
    assert outputs["quantized"].shape == (4, count, model.embedding_dim)
    assert outputs["vq_loss"].shape == outputs["perplexity"].shape == ()
    model.eval()
    indices = model.encode(waves(4))
    assert torch.equal(indices, model(waves(4))["encoding_indices"])
    torch.testing.assert_close(model.decode(indices), model(waves(4))["reconstructed"].detach())


def test_the_defaults_and_any_number_of_steps() -> None:
    model = ActionVQVAE()
    assert model.quantizer.num_embeddings == 8192
    for steps in (1, 5):
        assert model.eval()(torch.zeros(2, steps, 7))["reconstructed"].shape == (2, steps, 7)


@pytest.mark.parametrize("arguments", [{}, {"chunk_size": 8, "num_tokens": 4}])
def test_training_learns_and_reports(arguments: dict) -> None:
    actions = waves(256)
    model = ActionVQVAE(3, 32, 64, **arguments)
    loader = DataLoader(TensorDataset(actions), batch_size=32)
    epochs = []
    history = train_action_vqvae(model, loader, num_epochs=25, on_epoch=lambda epoch, means: epochs.append(epoch))
    assert epochs == list(range(1, 26))
    assert sorted(history) == ["loss", "perplexity", "reconstruction_loss", "vq_loss"]
    assert {len(values) for values in history.values()} == {25}
    assert history["reconstruction_loss"][-1] < 0.8 * history["reconstruction_loss"][0]
    assert 1 < history["perplexity"][-1] <= 64
    assert not model.training
    torch.testing.assert_close(model.action_mean, actions.mean((0, 1)))
    error = (model(actions)["reconstructed"] - actions).norm(dim=-1).mean()
    assert error < 0.8 * (actions - actions.mean((0, 1))).norm(dim=-1).mean()


def test_the_seed_repeats_a_training_and_leaves_the_callers_state() -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        model = ActionVQVAE(3, 8, 16)
        before = torch.get_rng_state()
        results.append(train_action_vqvae(model, [waves(32), {"actions": waves(32, seed=1)}], 2, seed=5))
        assert torch.equal(torch.get_rng_state(), before)
    assert results[0] == results[1]


def test_one_scale_for_all_dimensions_keeps_distances() -> None:
    model = ActionVQVAE(2)
    actions = torch.randn(50, 4, 2) * torch.tensor([10.0, 0.0])
    model.fit_normalisation(actions, per_dimension=False)
    assert model.action_scale[0] == model.action_scale[1]
    model.fit_normalisation(actions)
    assert model.action_scale[0] > 5
    assert model.action_scale[1] == 1  # it never changes


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"need the shape \[B, 8, 3\], got \[2, 7, 3\]"):
        ActionVQVAE(3, chunk_size=8)(torch.zeros(2, 7, 3))
    with pytest.raises(ValueError, match=r"need the shape \[B, T >= 1, 7\], got \[2, 7, 3\]"):
        ActionVQVAE()(torch.zeros(2, 7, 3))
    with pytest.raises(ValueError, match="num_tokens needs a chunk_size; got num_tokens 4"):
        ActionVQVAE(num_tokens=4)
    with pytest.raises(ValueError, match="must be at least 1, got 0, 1 and None"):
        ActionVQVAE(hidden_dim=0, chunk_size=1)
    with pytest.raises(ValueError, match="num_epochs must be at least 1, got 0"):
        train_action_vqvae(ActionVQVAE(), [], 0)
    with pytest.raises(ValueError, match="gave no batch, at least 1 is needed"):
        train_action_vqvae(ActionVQVAE(), [], 1)
    with pytest.raises(TypeError, match="a batch needs a tensor of actions, got dict"):
        train_action_vqvae(ActionVQVAE(), [{"states": torch.zeros(2, 2, 7)}], 1)
