"""Flow matching over actions (arXiv 2210.02747), with guidance (arXiv 2311.13443), as Alpamayo has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from reasoning_vla_ros.models.flow_solvers import SOLVERS, solve

# Training times are this much times (1 - s) with s from Beta(1.5, 1): more of them near the noise (arXiv 2410.24164).
LATEST_TRAINING_TIME = 0.999
TIMESTEP_SAMPLERS = ("beta", "uniform")


class FlowMatching:
    """Draws actions by following a learned velocity from noise, and makes the noisy actions that it learns from.

    It has no weights; the velocity is the model's.

    Args:
        x_dims: shape of one sample, (waypoints, action_dim).
        int_method: "euler" or "midpoint".
        num_inference_steps: steps of the solver.
        train_timestep_sampler: "beta" or "uniform".
        train_ignore_guidance_rate: kept for the checkpoints' configs; training here drops no guidance.
        inference_guidance_weight: of the velocity with guidance; 1 is that velocity alone, more goes beyond it.
        use_classifier_free_guidance: whether `sample` guides unless told otherwise.
        reuse_tolerance: see `flow_solvers.solve`.
    """

    def __init__(
        self,
        x_dims: Sequence[int] | int,
        int_method: str = "euler",
        num_inference_steps: int = 10,
        train_timestep_sampler: str = "beta",
        train_ignore_guidance_rate: float = 0.1,
        inference_guidance_weight: float = 1.0,
        use_classifier_free_guidance: bool = False,
        reuse_tolerance: float = 0.0,
    ) -> None:
        if int_method not in SOLVERS:
            raise ValueError(f"int_method must be one of {list(SOLVERS)}, got {int_method!r}")
        if train_timestep_sampler not in TIMESTEP_SAMPLERS:
            raise ValueError(
                f"train_timestep_sampler must be one of {list(TIMESTEP_SAMPLERS)}, got {train_timestep_sampler!r}"
            )
        if num_inference_steps < 1:
            raise ValueError(f"num_inference_steps must be at least 1, got {num_inference_steps}")
        self.x_dims = [x_dims] if isinstance(x_dims, int) else list(x_dims)
        self.int_method = int_method
        self.num_inference_steps = num_inference_steps
        self.train_timestep_sampler = train_timestep_sampler
        self.train_ignore_guidance_rate = train_ignore_guidance_rate
        self.inference_guidance_weight = inference_guidance_weight
        self.use_classifier_free_guidance = use_classifier_free_guidance
        self.reuse_tolerance = reuse_tolerance
        self.evaluations = 0  # of the velocity with guidance, in the newest `sample`

    @torch.no_grad()
    def sample(
        self,
        batch_size: int,
        step_fn: Callable[..., Tensor],
        unguided_step_fn: Callable[..., Tensor] | None = None,
        device: torch.device | str = "cpu",
        return_all_steps: bool = False,
        inference_step: int | None = None,
        int_method: str | None = None,
        use_classifier_free_guidance: bool | None = None,
        inference_guidance_weight: float | None = None,
        temperature: float = 1.0,
        reuse_tolerance: float | None = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Any:
        """Draws samples. Arguments that are None are those of the constructor.

        Args:
            batch_size: B.
            step_fn: step_fn(x=[B, *x_dims], t=[B, 1, ...]) gives the velocity [B, *x_dims].
            unguided_step_fn: the same without the text that guides; needed for guidance.
            inference_step: steps of the solver.
            temperature: factor of the noise; below 1 the samples differ less.
            noise: [B, *x_dims] to start from; drawn when None, float32 and standard normal.
            generator: of the noise.

        Returns:
            float32 [B, *x_dims]; with `return_all_steps` a tuple of all steps [B, steps + 1, *x_dims] and their times.

        Raises:
            ValueError: guidance without `unguided_step_fn`, noise of another shape, or what `solve` raises.
        """
        guided = (
            self.use_classifier_free_guidance if use_classifier_free_guidance is None else use_classifier_free_guidance
        )
        weight = self.inference_guidance_weight if inference_guidance_weight is None else inference_guidance_weight
        if guided and unguided_step_fn is None:
            raise ValueError("classifier-free guidance needs unguided_step_fn, the velocity without the guiding text")
        shape = (batch_size, *self.x_dims)
        if noise is None:
            noise = torch.randn(*shape, device=device, generator=generator)
        if tuple(noise.shape) != shape:
            raise ValueError(f"noise must be {list(shape)}, got {list(noise.shape)}")

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            with_text = step_fn(x=x, t=t)
            if not guided or unguided_step_fn is None:
                return with_text
            return (1 - weight) * unguided_step_fn(x=x, t=t) + weight * with_text

        steps, times, self.evaluations = solve(
            velocity,
            noise.float() * temperature,
            self.num_inference_steps if inference_step is None else inference_step,
            int_method or self.int_method,
            self.reuse_tolerance if reuse_tolerance is None else reuse_tolerance,
        )
        return (steps, times) if return_all_steps else steps[:, -1]

    def construct_training_data(
        self, x: Tensor, noise: Tensor | None = None, timesteps: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Noisy actions to learn from: t * x + (1 - t) * noise.

        Args:
            x: actions [B, *x_dims].
            noise: like x; drawn when None.
            timesteps: [B] in [0, 1]; drawn when None.

        Returns:
            x, noisy_x, noise, and timesteps [B, 1, ...].
        """
        if timesteps is None and self.train_timestep_sampler == "uniform":
            timesteps = torch.rand(x.shape[0], device=x.device)
        elif timesteps is None:
            beta = torch.distributions.Beta(torch.tensor(1.5), torch.tensor(1.0))
            drawn = beta.sample((x.shape[0],)).to(x.device)
            timesteps = LATEST_TRAINING_TIME - drawn * LATEST_TRAINING_TIME
        timesteps = timesteps.view(-1, *[1] * (x.ndim - 1))
        if noise is None:
            noise = torch.randn_like(x)
        return {"x": x, "noisy_x": timesteps * x + (1 - timesteps) * noise, "timesteps": timesteps, "noise": noise}

    def compute_loss_from_pred(self, training_data: dict[str, Tensor], pred: Tensor) -> Tensor:
        """Mean squared error of the velocity [B, *x_dims]; its target is x - noise."""
        target = training_data["x"] - training_data["noise"]
        return torch.nn.functional.mse_loss(pred, target.to(pred.dtype))
