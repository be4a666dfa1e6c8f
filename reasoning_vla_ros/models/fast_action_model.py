"""A causal transformer over action tokens."""

from __future__ import annotations

import inspect
import json
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

# Keys and values [B, heads, L, head_dim] of one layer, of all positions so far.
KeysValues = tuple[torch.Tensor, torch.Tensor]


class FASTActionModel(nn.Module):
    """Action tokens one after the other, as FAST policies do (arXiv 2501.09747), alone or as the action head of a VLM.

    Position i sees the tokens up to i and predicts token i + 1; a learned start before the first token predicts that
    one. With `context_dim`, hidden states of a VLM or of an observation stand before the start as a prefix, which every
    position sees whole. Plain pre-norm layers with learned positions; the output shares the embedding's weights.

    Tokens are those of any ActionTokenizer. Where rows differ in length the padding, `pad_id`, also means the end:
    the loss teaches one of it after each row, and `generate` stops there and fills up with it, which is what the
    tokenizer's `decode` takes.

    Args:
        vocab_size: number of ids, padding included: the tokenizer's `vocab_size`.
        hidden_dim: width, a multiple of `num_heads`.
        num_layers: transformer layers.
        num_heads: attention heads.
        max_tokens: the longest row.
        pad_id: the tokenizer's `pad_id`; None where all rows have the same length, and `generate` goes on to
            `max_tokens`.
        context_dim: width C of the context; None for a model without.
        dropout: share of activations dropped in training.
    """

    def __init__(
        self,
        vocab_size: int = 256,
        hidden_dim: int = 512,
        num_layers: int = 8,
        num_heads: int = 8,
        max_tokens: int = 512,
        pad_id: int | None = None,
        context_dim: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(vocab_size, num_layers, num_heads, max_tokens) < 1 or hidden_dim < 1 or hidden_dim % num_heads:
            raise ValueError(
                f"sizes must be positive and hidden_dim a multiple of num_heads, got {vocab_size=}, {hidden_dim=}, "
                f"{num_layers=}, {num_heads=}, {max_tokens=}"
            )
        if pad_id is not None and not 0 <= pad_id < vocab_size:
            raise ValueError(f"pad_id must lie in 0..{vocab_size - 1}, got {pad_id}")
        self.vocab_size, self.hidden_dim, self.num_layers, self.num_heads = (
            vocab_size,
            hidden_dim,
            num_layers,
            num_heads,
        )
        self.max_tokens, self.pad_id, self.context_dim, self.dropout = max_tokens, pad_id, context_dim, dropout
        self.token_embedding = nn.Embedding(vocab_size, hidden_dim)
        self.start = nn.Parameter(torch.empty(hidden_dim))
        self.position = nn.Parameter(torch.empty(max_tokens + 1, hidden_dim))
        self.context_projection = None if context_dim is None else nn.Linear(context_dim, hidden_dim)
        self.layers = nn.ModuleList(_Layer(hidden_dim, num_heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_dim)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1 or name == "start":
                nn.init.normal_(parameter, std=0.02)

    def forward(
        self,
        tokens: torch.Tensor,
        context: torch.Tensor | None = None,
        context_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits [B, N, vocab_size] of the token after each of tokens [B, N].

        Args:
            tokens: integer ids; padding on the right changes nothing before it.
            context: [B, S, context_dim], for a model with one.
            context_mask: flags [B, S], False where the context is padding; None for all True.

        Raises:
            ValueError: ids out of range, too many, or a context that does not fit.
        """
        return self._all_logits(tokens, context, context_mask)[:, 1:]

    def loss(
        self,
        tokens: torch.Tensor,
        context: torch.Tensor | None = None,
        context_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean cross entropy, nats a token, of tokens [B, N] from the first one on.

        Args:
            tokens, context, context_mask: see `forward`.
            labels: [B, N], what to predict instead of `tokens`; negative where nothing is to be learned. None for the
                tokens of each row and, with a `pad_id`, one of it as the end; further padding does not count.
        """
        logits = self._all_logits(tokens, context, context_mask)
        if labels is None:
            labels = tokens.long()
            if self.pad_id is not None:
                ends = labels == self.pad_id
                labels = labels.masked_fill(ends.cumsum(1) > 1, -1)
                last = torch.where(ends.any(1), -1, self.pad_id)
                labels = torch.cat([labels, last[:, None]], dim=1)
        elif labels.shape != tokens.shape:
            raise ValueError(f"labels need the shape {list(tokens.shape)} of the tokens, got {list(labels.shape)}")
        logits, labels = logits[:, : labels.shape[1]].flatten(0, 1), labels.long().flatten()
        return functional.cross_entropy(logits.float(), labels.clamp(min=-1), ignore_index=-1)

    @torch.no_grad()
    def generate(
        self,
        batch_size: int = 1,
        context: torch.Tensor | None = None,
        context_mask: torch.Tensor | None = None,
        prompt: torch.Tensor | None = None,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Token ids, int64 [B, N], one after the other, each layer's keys and values kept.

        Args:
            batch_size: B, where neither a context nor a prompt says.
            context, context_mask: see `forward`.
            prompt: [B, P], first tokens to go on from, without padding; they come back as part of the result.
            max_tokens: the largest N, the model's own when None.
            temperature: 0 for the likeliest token, else samples of logits / temperature.
            top_p: sample from the likeliest tokens that hold this share of the probability.
            generator: for the samples.

        Returns:
            Ids up to and without the end, then `pad_id`, as many columns as the longest row has.

        Raises:
            ValueError: settings out of range, a prompt or a context that does not fit.
        """
        limit = self.max_tokens if max_tokens is None else max_tokens
        if not 1 <= limit <= self.max_tokens:
            raise ValueError(f"max_tokens must lie in 1..{self.max_tokens}, got {limit}")
        if not (temperature >= 0 and 0 < top_p <= 1):
            raise ValueError(f"temperature must be at least 0 and top_p in (0, 1], got {temperature} and {top_p}")
        rows = next((len(given) for given in (prompt, context) if given is not None), batch_size)
        tokens = torch.zeros(rows, 0, dtype=torch.long, device=self.start.device) if prompt is None else prompt.long()
        if tokens.shape[1] > limit:
            raise ValueError(f"max_tokens is {limit}, got a prompt of {tokens.shape[1]}")
        self._check_tokens(tokens)
        training = self.training
        self.eval()
        try:
            cache: list[KeysValues] = []
            prefix, visible = self._prefix(rows, context, context_mask)
            hidden = self._run(torch.cat([prefix, self._embed(tokens, first=True)], dim=1), visible, cache)
            running = torch.ones(rows, dtype=torch.bool, device=tokens.device)
            while tokens.shape[1] < limit:
                chosen = _choose(self._logits(hidden[:, -1]), temperature, top_p, generator)
                if self.pad_id is not None:
                    running = running & (chosen != self.pad_id)
                    if not bool(running.any()):
                        break
                    chosen = torch.where(running, chosen, self.pad_id)
                tokens = torch.cat([tokens, chosen[:, None]], dim=1)
                if tokens.shape[1] < limit:
                    hidden = self._run(self._embed(tokens[:, -1:], at=tokens.shape[1]), visible, cache)
        finally:
            self.train(training)
        return tokens

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Writes config.json and model.safetensors."""
        from safetensors.torch import save_file

        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / CONFIG_FILE).write_text(json.dumps(self.get_config(), indent=2) + "\n", encoding="utf-8")
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in self.state_dict().items()}, path / WEIGHTS_FILE
        )

    @classmethod
    def from_pretrained(cls, folder: str | PathLike[str]) -> FASTActionModel:
        """Reads what `save_pretrained` wrote, in evaluation mode.

        Raises:
            FileNotFoundError: the files are not there.
            RuntimeError: weights that do not fit the config.
        """
        from safetensors.torch import load_file

        path = Path(folder)
        model = cls(**json.loads((path / CONFIG_FILE).read_text(encoding="utf-8")))
        state = load_file(path / WEIGHTS_FILE)
        model.to(state["start"].dtype).load_state_dict(state)
        return model.eval()

    def _all_logits(
        self, tokens: torch.Tensor, context: torch.Tensor | None, context_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Logits [B, 1 + N, vocab_size], the first those of the start."""
        self._check_tokens(tokens)
        prefix, visible = self._prefix(len(tokens), context, context_mask)
        hidden = self._run(torch.cat([prefix, self._embed(tokens, first=True)], dim=1), visible)
        return self._logits(hidden[:, prefix.shape[1] :])

    def _check_tokens(self, tokens: torch.Tensor) -> None:
        if tokens.ndim != 2 or tokens.is_floating_point() or tokens.shape[1] > self.max_tokens:
            raise ValueError(
                f"tokens must be integers [B, N <= {self.max_tokens}], got {tokens.dtype} {list(tokens.shape)}"
            )
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.vocab_size:
            raise ValueError(
                f"tokens must lie in 0..{self.vocab_size - 1}, got {int(tokens.min())}..{int(tokens.max())}"
            )

    def _prefix(
        self, rows: int, context: torch.Tensor | None, context_mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embedded context [B, S, hidden_dim] and flags [B, S]; S is 0 without one."""
        if self.context_projection is None or context is None:
            if self.context_projection is not None or context is not None:
                raise ValueError(f"context_dim is {self.context_dim}, got {'no' if context is None else 'a'} context")
            return self.start.new_zeros(rows, 0, self.hidden_dim), self.start.new_zeros(rows, 0, dtype=torch.bool)
        if context.ndim != 3 or len(context) != rows or context.shape[2] != self.context_dim:
            raise ValueError(f"context needs the shape [{rows}, S, {self.context_dim}], got {list(context.shape)}")
        if context_mask is None:
            context_mask = torch.ones(context.shape[:2], dtype=torch.bool, device=context.device)
        if context_mask.shape != context.shape[:2]:
            raise ValueError(f"context_mask needs {list(context.shape[:2])}, got {list(context_mask.shape)}")
        return self.context_projection(context.to(self.start.dtype)), context_mask.bool()

    def _embed(self, tokens: torch.Tensor, at: int = 1, first: bool = False) -> torch.Tensor:
        """Embedded tokens [B, N, hidden_dim], the first of them at position `at`; with `first`, after the start."""
        embedded = self.token_embedding(tokens.long()) + self.position[at : at + tokens.shape[1]]
        if first:
            start = (self.start + self.position[0]).expand(len(tokens), 1, -1)
            embedded = torch.cat([start, embedded], dim=1)
        return embedded

    def _run(self, hidden: torch.Tensor, visible: torch.Tensor, cache: list[KeysValues] | None = None) -> torch.Tensor:
        """Normalised hidden states of the last positions, given a prefix's flags [B, S] and what came before."""
        new, prefix = hidden.shape[1], visible.shape[1]
        past = cache[0][0].shape[2] if cache else 0
        query = torch.arange(past, past + new, device=hidden.device)[:, None]
        key = torch.arange(past + new, device=hidden.device)[None]
        seen = (key < prefix) | (key <= query)
        seen = seen & functional.pad(visible, (0, past + new - prefix), value=True)[:, None]
        seen |= key == query  # so that padding in the context, which nothing reads, has something to look at
        for index, layer in enumerate(self.layers):
            before = cache[index] if cache and past else None
            hidden, keys_values = layer(hidden, seen[:, None], before)
            if cache is not None:
                cache[index : index + 1] = [keys_values]
        return self.norm(hidden)

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return functional.linear(hidden, self.token_embedding.weight)


class _Layer(nn.Module):
    """Attention and a two-layer perceptron, each on the norm of its input and added to it."""

    def __init__(self, hidden_dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.dropout = num_heads, dropout
        self.attention_norm = nn.LayerNorm(hidden_dim)
        self.query_key_value = nn.Linear(hidden_dim, 3 * hidden_dim)
        self.attention_out = nn.Linear(hidden_dim, hidden_dim)
        self.mlp_norm = nn.LayerNorm(hidden_dim)
        self.mlp = nn.Sequential(
            nn.Linear(hidden_dim, 4 * hidden_dim), nn.GELU(), nn.Linear(4 * hidden_dim, hidden_dim), nn.Dropout(dropout)
        )

    def forward(
        self, hidden: torch.Tensor, seen: torch.Tensor, before: KeysValues | None
    ) -> tuple[torch.Tensor, KeysValues]:
        """Hidden states [B, N, C], and the keys and values of all positions; `seen` [B, 1, N, L] flags them."""
        split = self.query_key_value(self.attention_norm(hidden)).unflatten(2, (3, self.num_heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        if before is not None:
            key, value = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
        rate = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen, dropout_p=rate)
        hidden = hidden + self.attention_out(mixed.transpose(1, 2).flatten(2))
        return hidden + self.mlp(self.mlp_norm(hidden)), (key, value)


def _choose(logits: torch.Tensor, temperature: float, top_p: float, generator: torch.Generator | None) -> torch.Tensor:
    """One token [B] of logits [B, V]."""
    if temperature == 0:
        return logits.argmax(-1)
    shares, order = (logits.float() / temperature).softmax(-1).sort(dim=-1, descending=True)
    # A token stays while those before it do not yet hold the share, so at least one always does.
    shares = shares.masked_fill(shares.cumsum(-1) - shares >= top_p, 0)
    return order.gather(1, torch.multinomial(shares, 1, generator=generator))[:, 0]
