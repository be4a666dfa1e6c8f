"""Bins that are finer near zero."""

from __future__ import annotations

import torch

from reasoning_vla_ros.tokenizers import ActionTokenizer, check_actions, valid_tokens


class CompandedActionTokenizer(ActionTokenizer):
    """mu-law: sign(a) log(1 + mu |a| / limit) / log(1 + mu) in an odd number of bins, so zero is exact."""

    def __init__(self, action_dims: int, bins: int = 255, limit: float = 10.0, mu: float = 255.0) -> None:
        self.action_dims, self.bins, self.limit, self.mu = action_dims, bins, limit, mu

    @property
    def vocab_size(self) -> int:
        return self.bins

    def num_tokens_for(self, horizon):
        return None if horizon is None else horizon * self.action_dims

    def encode(self, actions):
        share = check_actions(actions, self.action_dims).clamp(-self.limit, self.limit) / self.limit
        level = torch.sign(share) * torch.log1p(self.mu * share.abs()) / torch.tensor(1 + self.mu).log()
        return ((level + 1) / 2 * (self.bins - 1)).round().long().flatten(1)

    def decode(self, tokens, strict=True, dtype=torch.float32):
        valid = valid_tokens(tokens, self.bins, multiple_of=self.action_dims, strict=strict)
        level = tokens.to(dtype) / (self.bins - 1) * 2 - 1
        share = torch.sign(level) * torch.expm1(level.abs() * torch.tensor(1 + self.mu).log()) / self.mu
        actions = (share * self.limit).reshape(len(tokens), -1, self.action_dims)
        return actions if strict else (torch.where(valid[:, None, None], actions, torch.nan), valid)
