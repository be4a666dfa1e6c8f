from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.models import FASTActionModel
from reasoning_vla_ros.tokenizers import FASTBPEActionTokenizer

V, PAD = 20, 19


def small(**arguments: object) -> FASTActionModel:
    torch.manual_seed(0)
    sizes = {"vocab_size": V, "hidden_dim": 32, "num_layers": 3, "num_heads": 4, "max_tokens": 24}
    model = FASTActionModel(**{**sizes, **arguments}).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    torch.nn.init.normal_(model.position, std=1.5)  # so that the choices differ from place to place
    return model


def first_token_nats(model: FASTActionModel, *context: torch.Tensor | None) -> torch.Tensor:
    """-log of the probability of each id as the first one, mean over the rows of the context, [V]."""
    rows = 1 if context[:1] in ((), (None,)) else len(context[0])
    with torch.no_grad():
        return torch.stack([model.loss(torch.full((rows, 1), i), *context) for i in range(V)])


def tokens_of(rows: int, count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, PAD, (rows, count), generator=torch.Generator().manual_seed(seed))


def test_the_defaults_that_were_asked_for() -> None:
    model = FASTActionModel(vocab_size=256, hidden_dim=512, num_layers=8, num_heads=8)
    assert model(torch.randint(0, 256, (2, 5))).shape == (2, 5, 256)


def test_a_token_changes_nothing_before_it() -> None:
    model = small()
    tokens = tokens_of(2, 12)
    changed = tokens.clone()
    changed[:, 7] = (changed[:, 7] + 1) % PAD
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@pytest.mark.parametrize("with_context", [False, True])
def test_greedy_generation_is_the_argmax_of_teacher_forcing(with_context: bool) -> None:
    model = small(context_dim=6 if with_context else None).double()
    context, mask = None, None
    if with_context:
        context = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0]]).bool()
    prompt = tokens_of(5, 3, seed=2)
    generated = model.generate(context=context, context_mask=mask, prompt=prompt)
    assert generated.shape == (5, 24)
    assert torch.equal(generated[:, :3], prompt)
    forced = model(generated, context, mask).argmax(-1)
    assert torch.equal(forced[:, 2:-1], generated[:, 3:])
    assert len(generated[:, 3:].unique()) > 3
    from_start = model.generate(5, context, mask, max_tokens=4)
    assert torch.equal(model(from_start, context, mask).argmax(-1)[:, :-1], from_start[:, 1:])
    one = (None, None) if context is None else (context[1:2], mask[1:2])
    assert int(first_token_nats(model, *one).argmin()) == int(from_start[1, 0])


def test_masked_context_is_not_read() -> None:
    model = small(context_dim=6)
    context = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[True, True, False, False]] * 2)
    tokens = tokens_of(2, 6)
    masked = model(tokens, context, mask)
    assert torch.allclose(masked, model(tokens, context[:, :2]), atol=1e-5)
    assert not torch.allclose(masked, model(tokens, context), atol=1e-2)
    assert model(tokens, context, torch.zeros(2, 4)).isfinite().all()


def test_loss_teaches_one_end_and_no_more_padding() -> None:
    model = small(pad_id=PAD)
    row, longer = tokens_of(1, 4), tokens_of(1, 6, seed=3)
    padded = torch.cat([row, torch.full((1, 2), PAD)], dim=1)
    alone, other = model.loss(row), model.loss(longer)
    assert torch.allclose(model.loss(padded), alone, atol=1e-5)
    together = model.loss(torch.cat([padded, longer]))
    assert torch.allclose(together, (5 * alone + 7 * other) / 12, atol=1e-5)
    logits = torch.cat([model(row)[:, :-1], model(row)[:, -1:]], dim=1)
    end = -logits[0, -1].log_softmax(-1)[PAD]
    rest = -logits[0, :-1].log_softmax(-1).gather(1, row[0, 1:, None]).sum()
    first = 5 * alone - end - rest
    assert torch.allclose(model.loss(row, labels=torch.tensor([[int(row[0, 0]), -1, -1, -1]])), first, atol=1e-4)


def test_rows_end_each_at_their_own_length() -> None:
    """A model taught three rows by heart gives each back, without its end."""
    torch.manual_seed(0)
    model = FASTActionModel(V, 48, 2, 4, max_tokens=10, pad_id=PAD, context_dim=3)
    rows = torch.tensor([[3, 1, PAD, PAD, PAD], [7, 7, 7, 2, PAD], [5, 4, 3, 2, 1]])
    context = torch.eye(3)[:, None]
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = model.loss(rows, context)
        loss.backward()
        optimizer.step()
    assert torch.equal(model.generate(context=context), rows)
    assert torch.equal(model.generate(context=context[:1]), rows[:1, :2])
    assert model.training


def test_sampling_follows_temperature_and_top_p() -> None:
    model = small()
    drawn = model.generate(2000, max_tokens=1, temperature=1.0, generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn.flatten(), minlength=V) / 2000
    expected = (-first_token_nats(model)).exp()
    assert expected.sum() == pytest.approx(1)
    assert (shares - expected).abs().max() < 0.05
    kept = model.generate(500, max_tokens=1, temperature=1.0, top_p=0.3).unique()
    order = expected.argsort(descending=True)
    count = int((expected[order].cumsum(0) < 0.3).sum()) + 1
    assert set(kept.tolist()) <= set(order[:count].tolist())
    tiny = model.generate(50, max_tokens=3, temperature=1.0, top_p=1e-9)
    assert torch.equal(tiny, model.generate(50, max_tokens=3))
    same = [model.generate(3, temperature=0.9, generator=torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*same)


def test_saved_and_loaded(tmp_path: Path) -> None:
    model = small(pad_id=PAD, context_dim=6).double()
    model.save_pretrained(tmp_path)
    again = FASTActionModel.from_pretrained(tmp_path)
    context = torch.randn(2, 4, 6, dtype=torch.float64)
    assert torch.equal(again(tokens_of(2, 9), context), model(tokens_of(2, 9), context))
    assert again.get_config() == model.get_config()
    assert not again.training


def test_what_is_refused() -> None:
    model = small(pad_id=PAD)
    with pytest.raises(ValueError, match=r"0\.\.19, got 0\.\.20"):
        model(torch.tensor([[0, 20]]))
    with pytest.raises(ValueError, match="N <= 24"):
        model(tokens_of(1, 25))
    with pytest.raises(ValueError, match="N <= 24"):
        model(torch.rand(1, 3))
    with pytest.raises(ValueError, match="context_dim is None, got a context"):
        model(tokens_of(1, 2), torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="context_dim is 3, got no context"):
        small(context_dim=3)(tokens_of(1, 2))
    with pytest.raises(ValueError, match=r"context needs the shape \[1, S, 3\]"):
        small(context_dim=3)(tokens_of(1, 2), torch.zeros(1, 2, 4))
    with pytest.raises(ValueError, match="pad_id must lie"):
        small(pad_id=V)
    with pytest.raises(ValueError, match="multiple of num_heads"):
        small(hidden_dim=30)
    with pytest.raises(ValueError, match="top_p"):
        model.generate(top_p=0.0)
    with pytest.raises(ValueError, match="max_tokens must lie"):
        model.generate(max_tokens=25)


def test_it_learns_fast_tokens_and_draws_chunks_that_decode() -> None:
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, 16)[None, :, None]
    chunks = rng.uniform(-1, 1, (1500, 1, 2)) * np.sin(np.pi * time) + rng.uniform(-1, 1, (1500, 1, 2)) * time
    tokenizer = FASTBPEActionTokenizer(scale=5, bpe_vocab_size=320).fit(chunks)
    tokens = torch.from_numpy(tokenizer.encode(chunks))
    torch.manual_seed(0)
    model = FASTActionModel(tokenizer.vocab_size, 64, 2, 4, max_tokens=tokens.shape[1] + 4, pad_id=tokenizer.pad_id)
    counted = torch.bincount(
        torch.cat([tokens[tokens != tokenizer.pad_id], torch.full((len(tokens),), tokenizer.pad_id)])
    )
    shares = counted[counted > 0] / counted.sum()
    unigram = float(-(shares * shares.log()).sum())
    assert abs(float(model.loss(tokens[:100]).detach()) - math.log(tokenizer.vocab_size)) < 1
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for step in range(150):
        batch = tokens[torch.arange(step * 100, step * 100 + 100) % 1400]
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        held_out = float(model.loss(tokens[1400:]))
    assert held_out < 0.75 * unigram
    drawn = model.generate(100, temperature=1.0, generator=torch.Generator().manual_seed(0))
    actions, valid = tokenizer.decode(drawn, strict=False)
    assert valid.float().mean() > 0.5
    assert actions[valid].abs().max() < 3
