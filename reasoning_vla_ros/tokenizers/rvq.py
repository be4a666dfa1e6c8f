"""Residual vector quantisation."""

from __future__ import annotations

from typing import ClassVar

import torch

from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, Decoded, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.errors import InvalidTokensError
from reasoning_vla_ros.tokenizers.kmeans import CodebookUse, codebook_use
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer
from reasoning_vla_ros.tokenizers.rvq_fit import OnStage, ResidualCodes, fit_residual_codes
from reasoning_vla_ros.tokenizers.rvq_search import BeamSearch


class Learned:
    """The tensors of a fitted tokenizer: mean [T * D], basis [T * D, K], and the codes.

    Raises:
        ValueError: codes that name frames which are not there.
    """

    def __init__(self, mean: torch.Tensor, basis: torch.Tensor, codes: ResidualCodes) -> None:
        frames = len(codes.sizes)
        if not bool(((codes.frame_of >= 0) & (codes.frame_of < frames)).all()):
            raise ValueError(f"frame_of must lie in 0..{frames - 1}, got {codes.frame_of.tolist()}")
        self.mean, self.basis, self.codes = mean, basis, codes
        num_codes, num_embeddings, dims = codes.codes.shape
        self._table = codes.codes.reshape(-1, dims)
        self._offsets = torch.arange(num_codes, device=mean.device) * num_embeddings
        # Rows times it are what the rows mean in the points' own axes.
        self._out_of_frame = (codes.rotations * codes.sizes[:, None, None]).transpose(1, 2).contiguous()

    def decode(self, tokens: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Flat actions [B, T * D] of the first ids [B, n] of chunks."""
        codes = self._table[tokens + self._offsets[: tokens.shape[1]]].to(dtype)
        points = codes[:, 0]
        if tokens.shape[1] > 1:
            rows = self._out_of_frame[self.codes.frame_of[tokens[:, 0]]].to(dtype)
            points = torch.baddbmm(points[:, None], codes[:, 1:].sum(1, keepdim=True), rows)[:, 0]
        return torch.addmm(self.mean.to(dtype), points, self.basis.T.to(dtype))

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"mean": self.mean, "basis": self.basis, **vars(self.codes)}

    def to(self, device: torch.device) -> Learned:
        codes = ResidualCodes(**{key: value.to(device) for key, value in vars(self.codes).items()})
        return Learned(self.mean.to(device), self.basis.to(device), codes)


@register_action_tokenizer("rvq")
class RVQActionTokenizer(ActionTokenizer):
    """Each token says more exactly what those before it left over (SoundStream, arXiv 2107.03312; VQ-BeT, 2403.03181).

    A chunk is taken along its principal components (a linear map that keeps distances, fitted to the data), and there
    it is a sum of one code from each of `num_codes` codebooks. So tokens are ordered from coarse to fine: `decode`
    takes any number of the first ones. The first code also says along which axes the residual lies, and how large it
    is (see `ResidualCodes`).

    Args:
        action_dims: D.
        horizon: T.
        num_codes: stages, N.
        num_embeddings: codes a stage, which is also the size of the vocabulary; an id means another code in each stage.
        components: principal components that are kept.
        num_frames: sets of axes for the residual of the first stage; 1 does without.
        beam: starts that encoding keeps; more err less and take longer, 1 is greedy.

    Attributes:
        uses: perplexity and used share of each stage's codes on what was fitted to; empty before.
    """

    argument_aliases: ClassVar[dict[str, str]] = {"codebook_size": "num_embeddings"}
    decodes_prefixes = True

    def __init__(
        self,
        action_dims: int = 7,
        horizon: int = 64,
        num_codes: int = 8,
        num_embeddings: int = 1024,
        components: int = 24,
        num_frames: int = 128,
        beam: int = 2,
    ) -> None:
        for name, value in {
            "action_dims": action_dims,
            "horizon": horizon,
            "num_codes": num_codes,
            "components": components,
            "num_frames": num_frames,
            "beam": beam,
        }.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not max(num_frames, beam, 2) <= num_embeddings:
            raise ValueError(
                f"num_embeddings must be at least 2, num_frames and beam, got {num_embeddings}, {num_frames}, {beam}"
            )
        self.action_dims = action_dims
        self.horizon = horizon
        self.num_codes = num_codes
        self.num_embeddings = num_embeddings
        self.components = components
        self.num_frames = num_frames
        self.beam = beam
        self.uses: list[CodebookUse] = []
        self._learned: Learned | None = None

    @property
    def vocab_size(self) -> int:
        return self.num_embeddings

    def num_tokens_for(self, horizon: int | None) -> int:
        return self.num_codes

    def fit(
        self,
        actions: torch.Tensor,
        *,
        iterations: int = 10,
        seed: int = 0,
        on_stage: OnStage | None = None,
    ) -> RVQActionTokenizer:
        """Learns anew from actions [B, horizon, D] and returns itself.

        All numbers of an action are taken as they come, so each should be worth the same, as in a space of metres.

        Args:
            actions: [B, horizon, D].
            iterations: of k-means, a stage.
            seed: of everything random: the same seed gives the same tokenizer on the same machine.
            on_stage: called with the stages done and all stages.

        Raises:
            ValueError: no actions, another shape, or values that are not finite.
        """
        flat = self._check(actions).detach().cpu().double().flatten(1)
        if not len(flat):
            raise ValueError(f"fit needs at least one chunk of actions, got {list(actions.shape)}")
        mean = flat.mean(0)
        covariance = (flat - mean).T @ (flat - mean) / len(flat)
        basis = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, : self.components]
        points = ((flat - mean) @ basis).float()
        codes = fit_residual_codes(
            points,
            self.num_codes,
            self.num_embeddings,
            self.num_frames,
            iterations=iterations,
            generator=torch.Generator().manual_seed(seed),
            on_stage=on_stage,
        )
        self._take(Learned(mean.float(), basis.float().contiguous(), codes).to(actions.device))
        ids = self.encode(actions)
        self.uses = [codebook_use(stage, self.num_embeddings) for stage in ids.unbind(1)]
        return self

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, N], of actions [B, horizon, D]; see `ActionTokenizer.encode`. Computed in float32.

        Raises:
            RuntimeError: nothing was fitted or loaded.
        """
        actions = self._check(actions).float()
        learned = self._learned_on(actions.device)
        # Nothing lies so far out; without a limit, squares of absurd actions would overflow.
        offsets = (actions.flatten(1) - learned.mean).clamp(-1e12, 1e12)
        return self._search(offsets @ learned.basis)

    def decode(self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32) -> Decoded:
        """Actions [B, horizon, D] of ids [B, 1..N], the first ones of each chunk; see `ActionTokenizer.decode`.

        Raises:
            RuntimeError: nothing was fitted or loaded.
        """
        learned = self._learned_on(tokens.device)
        shape = (len(tokens), self.horizon, self.action_dims)
        valid = valid_tokens(tokens, self.vocab_size, strict=strict)
        if tokens.shape[1] > self.num_codes:
            if strict:
                raise InvalidTokensError(f"a trajectory has 1..{self.num_codes} token ids, got {tokens.shape[1]}")
            valid = torch.zeros_like(valid)
        if strict:
            return learned.decode(tokens.long(), dtype).reshape(shape)
        actions = torch.full(shape, torch.nan, dtype=dtype, device=tokens.device)
        if bool(valid.any()):
            actions[valid] = learned.decode(tokens[valid].long(), dtype).reshape(-1, *shape[1:])
        return actions, valid

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The principal components, the codebooks and the axes of the residuals; empty before `fit`."""
        return {} if self._learned is None else self._learned.tensors()

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Takes what `state_dict` gave.

        Raises:
            ValueError: tensors of another tokenizer, or of other arguments.
        """
        if not state:
            self._learned = None
            return
        numbers = self.horizon * self.action_dims
        dims = min(self.components, numbers)
        shapes = {
            "mean": (numbers,),
            "basis": (numbers, dims),
            "codes": (self.num_codes, self.num_embeddings, dims),
            "frame_of": (self.num_embeddings,),
            "rotations": (self.num_frames, dims, dims),
            "sizes": (self.num_frames,),
        }
        found = {key: tuple(value.shape) for key, value in state.items()}
        if found != shapes:
            raise ValueError(f"{self.name!r} of {self.get_config()} needs the tensors {shapes}, got {found}")
        codes = ResidualCodes(*(state[key] for key in ("codes", "frame_of", "rotations", "sizes")))
        self._take(Learned(state["mean"], state["basis"], codes))

    def _take(self, learned: Learned) -> None:
        self._learned = learned
        self._search = BeamSearch(learned.codes, self.beam)

    def _check(self, actions: torch.Tensor) -> torch.Tensor:
        actions = check_actions(actions, self.action_dims)
        if actions.shape[1] != self.horizon:
            raise ValueError(
                f"actions need the shape [B, {self.horizon}, {self.action_dims}], got {list(actions.shape)}"
            )
        return actions

    def _learned_on(self, device: torch.device) -> Learned:
        if self._learned is None:
            raise RuntimeError(f"{self.name!r} has learned nothing yet; call fit, or load a fitted one")
        if self._learned.mean.device != device:
            self._learned = self._learned.to(device)
        return self._learned
