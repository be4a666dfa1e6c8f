"""What action tokenizers that train an autoencoder have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import torch

from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, Decoded, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.chunk_autoencoder import (
    ActionAutoencoder,
    History,
    OnEpoch,
    ShuffledBatches,
    train_autoencoder,
)
from reasoning_vla_ros.tokenizers.kmeans import CodebookUse, codebook_use

SelfT = TypeVar("SelfT", bound="AutoencoderActionTokenizer")


class AutoencoderActionTokenizer(ActionTokenizer):
    """Chunks [B, horizon, D] as the codes of an autoencoder.

    Subclasses build the autoencoder in `_new_model` from their constructor's arguments.

    Attributes:
        history: means of the last `fit`'s epochs; empty before.
        use: perplexity and used share of the ids on what was fitted to; None before.
    """

    action_dims: int
    horizon: int
    history: History
    use: CodebookUse | None

    def __init__(self) -> None:
        if self.action_dims < 1 or self.horizon < 1:
            raise ValueError(f"action_dims and horizon must be at least 1, got {self.action_dims}, {self.horizon}")
        self.model: ActionAutoencoder | None = None
        self.history = {}
        self.use = None

    @abstractmethod
    def _new_model(self) -> ActionAutoencoder:
        """The autoencoder before training."""

    @abstractmethod
    def num_tokens_for(self, horizon: int | None) -> int: ...

    def fit(
        self: SelfT,
        actions: torch.Tensor,
        *,
        epochs: int = 60,
        batch_size: int = 256,
        learning_rate: float = 3e-3,
        seed: int = 0,
        on_epoch: OnEpoch | None = None,
    ) -> SelfT:
        """Trains anew on actions [B, horizon, D], on their device, and returns itself.

        All numbers of an action are scaled alike, so each should be worth the same, as in a space of metres.

        Args:
            actions: [B, horizon, D].
            epochs: how often to go through them; 16,000 chunks of 64 steps take about two seconds an epoch on a core.
            batch_size: chunks a step.
            learning_rate: at the start; it falls along a cosine.
            seed: of everything random: the same seed gives the same tokenizer on the same machine.
            on_epoch: called after each epoch with its number and means.

        Raises:
            ValueError: no actions, another shape, or values that are not finite.
        """
        actions = self._check(actions).float()
        if not len(actions):
            raise ValueError(f"fit needs at least one chunk of actions, got {list(actions.shape)}")
        with torch.random.fork_rng(devices=[actions.device] if actions.is_cuda else []):
            torch.manual_seed(seed)
            model = self._new_model().to(actions.device)
        model.fit_normalisation(actions, per_dimension=False)
        batches = ShuffledBatches(actions, batch_size, torch.Generator().manual_seed(seed))
        self.history = train_autoencoder(
            model, batches, epochs, learning_rate=learning_rate, seed=seed, on_epoch=on_epoch
        )
        self.model = model
        self.use = codebook_use(torch.cat([model.encode(part) for part in actions.split(1024)]), self.vocab_size)
        return self

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, N], of actions [B, horizon, D]; see `ActionTokenizer.encode`.

        Raises:
            RuntimeError: nothing was fitted or loaded.
        """
        actions = self._check(actions).float()
        model = self._model_on(actions.device)
        # Blocks that stay in a core's cache are twice as quick.
        parts = [model.encode(part) for part in actions.split(256)]
        return torch.cat(parts) if parts else actions.new_zeros((0, self.num_tokens_for(None)), dtype=torch.long)

    def decode(self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32) -> Decoded:
        """Actions [B, horizon, D] of ids [B, N]; see `ActionTokenizer.decode`. Computed in float32.

        Raises:
            RuntimeError: nothing was fitted or loaded.
        """
        model = self._model_on(tokens.device)
        count = self.num_tokens_for(None)
        valid = valid_tokens(tokens, self.vocab_size, count=count, strict=strict)
        shape = (len(tokens), self.horizon, self.action_dims)
        if strict:
            return model.decode(tokens.long()).to(dtype) if len(tokens) else tokens.new_zeros(shape, dtype=dtype)
        actions = torch.full(shape, torch.nan, dtype=dtype, device=tokens.device)
        if bool(valid.any()):
            actions[valid] = model.decode(tokens[valid].long()).to(dtype)
        return actions, valid

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The autoencoder's weights and codes; empty before `fit`."""
        return {} if self.model is None else dict(self.model.state_dict())

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Takes what `state_dict` gave.

        Raises:
            ValueError: tensors of another tokenizer, or of other arguments.
        """
        if not state:
            self.model = None
            return
        model = self._new_model()
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"these are not the tensors of a {self.name!r} of {self.get_config()}: {error}") from error
        self.model = model.eval()

    def _check(self, actions: torch.Tensor) -> torch.Tensor:
        actions = check_actions(actions, self.action_dims)
        if actions.shape[1] != self.horizon:
            raise ValueError(
                f"actions need the shape [B, {self.horizon}, {self.action_dims}], got {list(actions.shape)}"
            )
        return actions

    def _model_on(self, device: torch.device) -> ActionAutoencoder:
        if self.model is None:
            raise RuntimeError(f"{self.name!r} has learned nothing yet; call fit, or load a fitted one")
        if self.model.action_mean.device != device:
            self.model.to(device)
        return self.model
