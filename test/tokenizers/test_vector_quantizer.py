from __future__ import annotations

import math

import pytest
import torch

from reasoning_vla_ros.tokenizers import VectorQuantizer
from reasoning_vla_ros.tokenizers.kmeans import codebook_use, kmeans, nearest_code


def blobs(count: int, seed: int = 0) -> torch.Tensor:
    """Points close around the corners of a square."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    return corners[torch.arange(count) % 4] + 0.1 * torch.randn(count, 2, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_nearest_code(dtype: torch.dtype) -> None:
    points, codes = torch.randn(700, 3, dtype=dtype), torch.randn(50, 3, dtype=dtype)
    assert torch.equal(nearest_code(points, codes), torch.cdist(points, codes).argmin(1))


def test_kmeans_finds_what_is_there_and_repeats_with_its_seed() -> None:
    codes = kmeans(blobs(400), 4, generator=torch.Generator().manual_seed(1))
    assert torch.cdist(codes, blobs(4)).amin(1).max() < 0.5
    assert len(nearest_code(blobs(4), codes).unique()) == 4
    assert torch.equal(codes, kmeans(blobs(400), 4, generator=torch.Generator().manual_seed(1)))


def test_kmeans_with_fewer_points_than_codes_has_no_two_equal_codes() -> None:
    assert len(kmeans(blobs(5), 16).unique(dim=0)) == 16
    assert kmeans(torch.ones(1, 3), 8).isfinite().all()


def test_heavy_points_draw_codes() -> None:
    points = torch.tensor([[0.0], [10.0]])
    codes = kmeans(points, 1, weights=torch.tensor([3.0, 1.0]))
    assert codes.tolist() == [[2.5]]


def test_use_of_a_codebook() -> None:
    even = codebook_use(torch.tensor([[0, 1], [2, 3]]), 8)
    assert even.perplexity == pytest.approx(4)
    assert even.used_share == 0.5
    assert codebook_use(torch.zeros(9, dtype=torch.long), 8).perplexity == pytest.approx(1)
    assert codebook_use(torch.zeros(0, dtype=torch.long), 8) == (0, 0)


def test_what_it_gives() -> None:
    quantizer = VectorQuantizer(16, 2)
    inputs = blobs(60).reshape(5, 12, 2)
    quantized, _, perplexity, indices = quantizer(inputs)
    assert quantized.shape == inputs.shape
    assert indices.shape == (5, 12)
    assert indices.dtype == torch.int64
    assert 1 <= float(perplexity) <= 16
    assert float(perplexity) == pytest.approx(codebook_use(indices, 16).perplexity)
    quantizer.eval()
    outputs = quantizer(inputs)
    assert torch.equal(outputs.quantized, quantizer.decode(outputs.encoding_indices))
    assert torch.equal(outputs.encoding_indices, quantizer.encode(inputs))
    assert float(outputs.loss) == pytest.approx(0.25 * float((inputs - outputs.quantized).square().mean()))


def test_gradients_pass_straight_through() -> None:
    quantizer = VectorQuantizer(4, 2, commitment_cost=0.0).eval()
    inputs = torch.randn(3, 2, requires_grad=True)
    factor = torch.randn(3, 2)
    outputs = quantizer(inputs)
    ((outputs.quantized * factor).sum() + outputs.loss).backward()
    assert torch.equal(inputs.grad, factor)


def test_the_first_batch_places_the_codes_and_others_move_them() -> None:
    torch.manual_seed(0)
    quantizer = VectorQuantizer(4, 2, decay=0.5)
    quantizer(blobs(400))
    assert float(quantizer(blobs(400)).loss) < 0.25 * 0.05
    for _ in range(20):
        quantizer(blobs(400) + 3)
    assert torch.cdist(quantizer.embeddings, blobs(4) + 3).amin(1).max() < 0.5


def test_evaluation_changes_nothing() -> None:
    quantizer = VectorQuantizer(4, 2).eval()
    before = {key: value.clone() for key, value in quantizer.state_dict().items()}
    quantizer(blobs(40))
    assert all(torch.equal(before[key], value) for key, value in quantizer.state_dict().items())


def test_dead_codes_begin_anew_where_the_batch_is() -> None:
    torch.manual_seed(0)
    quantizer = VectorQuantizer(8, 2, decay=0.9)
    quantizer(blobs(400))
    with torch.no_grad():
        quantizer.embeddings[1:] = 1e4  # far from everything, so nobody chooses them
        quantizer.sums.copy_(quantizer.embeddings * quantizer.counts[:, None])
    for _ in range(100):
        outputs = quantizer(blobs(400))
    assert quantizer.embeddings.abs().max() < 20
    assert codebook_use(outputs.encoding_indices, 8).used_share == 1


def test_without_revival_they_stay_dead() -> None:
    torch.manual_seed(0)
    quantizer = VectorQuantizer(8, 2, decay=0.9, revive_below=0.0)
    quantizer(blobs(400))
    with torch.no_grad():
        quantizer.embeddings[1:] = 1e4
        quantizer.sums.copy_(quantizer.embeddings * quantizer.counts[:, None])
    for _ in range(100):
        outputs = quantizer(blobs(400))
    assert codebook_use(outputs.encoding_indices, 8).used_share < 0.5


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="num_embeddings must be at least 2 and embedding_dim 1, got 1 and 3"):
        VectorQuantizer(1, 3)
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\), got 1"):
        VectorQuantizer(4, 3, decay=1)
    with pytest.raises(ValueError, match=r"need the shape \[\.\.\., 3\], got \[5, 2\]"):
        VectorQuantizer(4, 3)(torch.zeros(5, 2))


def test_perplexity_of_equal_use_is_the_number_of_codes() -> None:
    quantizer = VectorQuantizer(4, 2)
    quantizer(blobs(400))
    assert math.isclose(float(quantizer(blobs(400)).perplexity), 4, rel_tol=1e-3)
