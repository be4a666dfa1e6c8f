"""Noisy actions to the expert's embeddings: Alpamayo's PerWaypointActionInProjV2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


class FourierEncoder(nn.Module):
    """sqrt(2) * [sin, cos](2 pi f x) at logarithmically spaced frequencies f from 1 to `max_freq`.

    Args:
        dim: features, half of them sines.
        max_freq: highest frequency.
        dtype: that the frequencies are rounded to before they are used in float32. The public checkpoints were run
            with bfloat16; the rounding moves the phase of a value of 1 by up to 0.4 rad, so it is part of the model.
    """

    freqs: Tensor

    def __init__(self, dim: int, max_freq: float = 100.0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dim, self.max_freq, self.rounded_to = dim, max_freq, dtype
        self.reset_frequencies()

    def reset_frequencies(self) -> None:
        """Sets the buffer that the arguments give, for checkpoints without it and models built on the meta device."""
        freqs = torch.logspace(0, math.log10(self.max_freq), steps=self.dim // 2, dtype=torch.float32, device="cpu")
        self.register_buffer("freqs", freqs.to(self.rounded_to).float()[None])

    def forward(self, x: Tensor) -> Tensor:
        """float32 [...] to float32 [..., dim]."""
        angle = x[..., None] * self.freqs.float() * 2 * torch.pi
        return torch.cat([angle.sin(), angle.cos()], dim=-1) * math.sqrt(2)


class PerWaypointActionProjection(nn.Module):
    """Fourier features of each action channel and of t, through an MLP, one waypoint at a time.

    Args:
        in_dims: (waypoints, action_dim).
        out_dim: hidden size of the expert.
        num_enc_layers: hidden layers of the MLP.
        hidden_size: their width.
        max_freq, num_fourier_feats: of :class:`FourierEncoder`, for each channel and for t.
        fourier_dtype: its `dtype`.
    """

    def __init__(
        self,
        in_dims: Sequence[int],
        out_dim: int,
        num_enc_layers: int = 4,
        hidden_size: int = 1024,
        max_freq: float = 100.0,
        num_fourier_feats: int = 20,
        fourier_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if num_enc_layers < 1:
            raise ValueError(f"num_enc_layers must be at least 1, got {num_enc_layers}")
        if num_fourier_feats < 2 or num_fourier_feats % 2:
            raise ValueError(f"num_fourier_feats must be even and at least 2, got {num_fourier_feats}")
        encoder = partial(FourierEncoder, num_fourier_feats, max_freq, fourier_dtype)
        self.sinus = nn.ModuleList(encoder() for _ in range(in_dims[-1]))
        self.timestep_fourier_encoder = encoder()
        self.encoder = _MLP((in_dims[-1] + 1) * num_fourier_feats, num_enc_layers, hidden_size, out_dim)
        self.norm = nn.LayerNorm(out_dim)

    def forward(self, x: Tensor, timesteps: Tensor) -> Tensor:
        """Embeddings [B, T, out_dim], in the weights' dtype.

        Args:
            x: noisy actions [B, T, action_dim].
            timesteps: [B, ...] with one value a row.
        """
        channels = [encode(x[..., index].float()) for index, encode in enumerate(self.sinus)]
        time = self.timestep_fourier_encoder(timesteps.float().reshape(len(x), 1))
        features = torch.cat([*channels, time.expand(-1, x.shape[1], -1)], dim=-1)
        embeddings: Tensor = self.norm(self.encoder(features.to(self.norm.weight.dtype)))
        return embeddings


class _MLP(nn.Module):
    """Linear layers with SiLU, each but the first behind an RMSNorm; the names of the weights are Alpamayo's."""

    def __init__(self, in_dim: int, num_layers: int, hidden_size: int, out_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(in_dim, hidden_size), nn.SiLU()]
        for _ in range(num_layers - 1):
            layers += [nn.RMSNorm(hidden_size, eps=1e-5), nn.Linear(hidden_size, hidden_size), nn.SiLU()]
        layers += [nn.RMSNorm(hidden_size, eps=1e-5), nn.Linear(hidden_size, out_dim)]
        self.trunk = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Any:
        return self.trunk(x)
