"""The training loop, in one process or many."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from rich.console import Console
from torch.utils.data import DataLoader

from reasoning_vla_ros.datasets.training_samples import Samples
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.training.checkpoints import latest_checkpoint, load_checkpoint, save_checkpoint
from reasoning_vla_ros.training.collate import Batch, Collator
from reasoning_vla_ros.training.config import TrainConfig
from reasoning_vla_ros.training.errors import TrainingError
from reasoning_vla_ros.training.evaluation import evaluate_losses, evaluate_plans, headline
from reasoning_vla_ros.training.fast_layers import FastLayers
from reasoning_vla_ros.training.lora import merge_lora, save_lora
from reasoning_vla_ros.training.objective import Counts, TrainingObjective
from reasoning_vla_ros.training.optimization import make_optimizers, set_learning_rate
from reasoning_vla_ros.training.progress import showing_steps
from reasoning_vla_ros.training.result import LOG_FILE, TrainResult, trim_log
from reasoning_vla_ros.training.schedule import FlowDraws, MicroBatches

MODEL_FOLDER = "model"
# Compiled layers have a graph for each length of sequence.
PADDING = 8
ADAPTER_FOLDER = "adapter"


class Trainer:
    """Trains a model on samples.

    The same config, samples and model give the same weights on one machine, whether the run was interrupted and
    resumed or not; with another number of processes they differ by rounding alone. Weights, checkpoints and the log go
    to the config's `output`.

    Args:
        config: see :class:`TrainConfig`.
        model: a ReasoningVLA in float32, or in bfloat16 for mixed precision; it is trained in place.
        samples: to train on.
        evaluation_samples: to evaluate on; None or none of them for no evaluation.
        console: where progress goes; None for silence.
        on_step: called after each step with the number of steps done and its figures.

    Raises:
        TrainingError: the mode does not fit the model, or the batch size the number of processes.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: Any,
        samples: Samples,
        evaluation_samples: Samples | None = None,
        *,
        console: Console | None = None,
        on_step: Callable[[int, dict[str, float]], None] | None = None,
    ) -> None:
        unused = DistributedDataParallelKwargs(find_unused_parameters=config.mode == "full")
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision, cpu=config.device == "cpu", kwargs_handlers=[unused]
        )
        self.config, self.samples = config, samples
        self.evaluation_samples = evaluation_samples if evaluation_samples is not None else []
        main = self.accelerator.is_main_process
        self.console = console if console is not None and main else Console(quiet=True)
        self.on_step = on_step
        self.output = Path(config.output)
        self.order = MicroBatches(
            len(samples),
            config.batch_size,
            config.micro_batch_size,
            self.accelerator.process_index,
            self.accelerator.num_processes,
            config.seed,
        )
        self.objective = TrainingObjective(model, config)
        if config.gradient_checkpointing and self.objective.uses_tokens:
            model.vlm.gradient_checkpointing_enable({"use_reentrant": False})
        self.parameters = self.objective.trainable()
        stated = None if config.saved_dtype == "auto" else getattr(torch, config.saved_dtype)
        self.saved_dtypes = {name: stated or parameter.dtype for name, parameter in self.parameters.items()}
        for parameter in self.parameters.values():
            parameter.data = parameter.data.float()  # small steps are lost in bfloat16
        self.collator = Collator(model, PADDING if config.compile else 1)
        on_cpu = self.accelerator.device.type == "cpu"
        self.fast = FastLayers(model, config.compile, on_cpu and config.mixed_precision == "bf16")
        self.draws: FlowDraws | None = None
        if self.objective.uses_flow:
            self.draws = FlowDraws(tuple(model.diffusion.x_dims), model.diffusion.train_timestep_sampler, config.seed)
        self.optimizers = make_optimizers(self.parameters, config.optimizer)
        self.wrapped, *self.prepared = self.accelerator.prepare(self.objective, *self.optimizers)

    def train(self, resume: bool = False) -> TrainResult:
        """Runs all steps that are left, and saves the model.

        Args:
            resume: goes on from the newest checkpoint in `output`.

        Raises:
            TrainingError: nothing to resume, or an earlier run's checkpoints where this one would begin; a loss that is
                no number.
        """
        config, begin = self.config, self._begin(resume)
        trainable = sum(parameter.numel() for parameter in self.parameters.values())
        total = sum(parameter.numel() for parameter in self.objective.model.parameters())
        self._say(
            f"mode {config.mode}: {trainable:,} of {total:,} parameters are trained ({trainable / total:.2%}), on "
            f"{len(self.samples)} samples; {self.accelerator.num_processes} process(es) on "
            f"{self.accelerator.device.type}, {self.order.per_step} x {config.micro_batch_size} samples each a step"
        )
        started = time.perf_counter()
        before = self._evaluate(begin)
        after, last = before, {}
        with showing_steps(self.console, begin, config.steps) as show:
            batches = self._batches(begin)
            for step in range(begin, config.steps):
                last = self._step(step, batches)
                done = step + 1
                show(done, headline(last))
                if done == config.steps or (config.evaluation.every and done % config.evaluation.every == 0):
                    after = self._evaluate(done)
                if done == config.steps or done % config.checkpoint_every == 0:
                    self._checkpoint(done)
                if self.on_step is not None:
                    self.on_step(done, last)
        seconds = time.perf_counter() - started
        model_path, adapter_path = self._save()
        return TrainResult(
            steps=max(begin, config.steps),
            trainable_parameters=trainable,
            parameters=total,
            training_samples=len(self.samples),
            before=before,
            after=after,
            last=last,
            seconds=seconds,
            model_path=model_path,
            adapter_path=adapter_path,
        )

    def _begin(self, resume: bool) -> int:
        """The step to begin with."""
        latest = latest_checkpoint(self.output)
        if resume:
            if latest is None:
                raise TrainingError(f"{self.output} holds no checkpoint to resume from")
            begin = load_checkpoint(latest, self.parameters, self.optimizers, self.config)
            self._say(f"resumed after step {begin} from {latest}")
            self.accelerator.wait_for_everyone()
            if self.accelerator.is_main_process:
                trim_log(self.output / LOG_FILE, begin)
            return begin
        if latest is not None:
            raise TrainingError(
                f"{self.output} holds checkpoints of an earlier run ({latest.name}); --resume goes on with it, another "
                "output begins anew"
            )
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.output.mkdir(parents=True, exist_ok=True)
            text = json.dumps(asdict(self.config), indent=2)
            (self.output / "config.json").write_text(text + "\n", encoding="utf-8")
            (self.output / LOG_FILE).write_text("", encoding="utf-8")
        return 0

    def _batches(self, begin: int) -> Iterator[Batch]:
        indices = list(self.order.indices(begin, self.config.steps))
        loader: DataLoader[Any] = DataLoader(
            self.samples,  # type: ignore[arg-type]
            batch_sampler=indices,
            collate_fn=self.collator,
            num_workers=self.config.workers,
        )
        return iter(loader)

    def _step(self, step: int, batches: Iterator[Batch]) -> dict[str, float]:
        """One step of the optimizer; returns its losses, the gradients' norm, the learning rate and its seconds."""
        config, accelerator = self.config, self.accelerator
        started = time.perf_counter()
        positions = self.order.positions(step)
        own = [next(batches) for _ in positions]
        counts = self._reduced(Counts.of(own))
        rate = set_learning_rate(self.optimizers, step, config.steps, config.optimizer)
        # Dropout's random numbers, which a resumed run must draw again.
        torch.manual_seed(plan_seed(config.seed, (step + 1) * 4096 + accelerator.process_index))
        self.wrapped.train()
        sums: dict[str, torch.Tensor] = {}
        for number, (places, batch) in enumerate(zip(positions, own, strict=True)):
            is_last = number + 1 == len(own)
            noise, timesteps = (None, None) if self.draws is None else self.draws(places)
            with self.fast.active(), nullcontext() if is_last else accelerator.no_sync(self.wrapped):
                shares = self.wrapped(batch.to(accelerator.device), counts, noise, timesteps)
                # Processes' gradients are averaged; the shares are to be added.
                accelerator.backward(shares["loss"] * accelerator.num_processes)
            for name, share in shares.items():
                sums[name] = sums.get(name, torch.zeros_like(share)) + share.detach()
        norm = accelerator.clip_grad_norm_(list(self.parameters.values()), config.optimizer.max_gradient_norm)
        values = accelerator.reduce(torch.stack(list(sums.values())), reduction="sum").tolist()
        figures = {**dict(zip(sums, values, strict=True)), "gradient_norm": float(norm), "learning_rate": rate}
        if not all(map(torch.isfinite, torch.tensor([figures["loss"], figures["gradient_norm"]]))):
            raise TrainingError(
                f"step {step + 1}: the loss is {figures['loss']} and the gradients' norm {figures['gradient_norm']}, "
                "needed numbers; a lower optimizer.learning_rate or a longer warm-up may help"
            )
        for optimizer in self.prepared:
            optimizer.step()
            optimizer.zero_grad()
        self._log({"step": step + 1, **figures, "seconds": time.perf_counter() - started})
        return figures

    def _reduced(self, counts: Counts) -> Counts:
        """Of all processes together."""
        values = torch.tensor(list(vars(counts).values()), device=self.accelerator.device)
        return Counts(*self.accelerator.reduce(values, reduction="sum").tolist())

    def _evaluate(self, step: int) -> dict[str, float]:
        if not len(self.evaluation_samples):
            return {}
        samples, settings, model = self.evaluation_samples, self.config.evaluation, self.objective.model
        figures = evaluate_losses(self.objective, samples, self.collator, settings, self.accelerator, self.draws)
        with self._as_saved():
            figures |= evaluate_plans(model, samples, settings, self.accelerator, self.config.seed)
        self._say(f"evaluation after step {step}: {headline(figures)}")
        self._log({"step": step, "evaluation": figures})
        return figures

    @contextmanager
    def _as_saved(self) -> Iterator[None]:
        """With the weights in the precision that they are saved in, or, where that is `saved_dtype`, as they then
        are in the precision that they are loaded in."""
        exact = {name: parameter.data for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            saved = parameter.data.to(self.saved_dtypes[name])
            is_loaded_as_float32 = self.config.saved_dtype != "auto" and parameter.device.type == "cpu"
            parameter.data = saved.float() if is_loaded_as_float32 else saved
        try:
            yield
        finally:
            for name, parameter in self.parameters.items():
                parameter.data = exact[name]

    def _checkpoint(self, step: int) -> None:
        if self.accelerator.is_main_process:
            save_checkpoint(
                self.output, step, self.parameters, self.optimizers, self.config, self.config.keep_checkpoints
            )
        self.accelerator.wait_for_everyone()

    def _save(self) -> tuple[str | None, str | None]:
        """Paths of the model and the adapter."""
        model, peft_vlm = self.objective.model, self.objective.peft_vlm
        adapter = self.output / ADAPTER_FOLDER if peft_vlm is not None else None
        folder = self.output / MODEL_FOLDER if peft_vlm is None or self.config.lora.merge else None
        if self.accelerator.is_main_process:
            if adapter is not None:
                save_lora(peft_vlm, adapter)
            if folder is not None:
                if peft_vlm is not None:
                    merge_lora(peft_vlm)
                model.config.untrained = False
                self._save_model(folder)
        self.accelerator.wait_for_everyone()
        return None if folder is None else str(folder), None if adapter is None else str(adapter)

    def _save_model(self, folder: Path) -> None:
        model, stated = self.objective.model.eval(), self.config.saved_dtype
        if stated == "auto":
            with self._as_saved():
                model.save_pretrained(folder)
            return
        # Mode full trains all weights, so all of them are here; a tied one is one parameter.
        exact = {name: parameter.data for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            parameter.data = parameter.data.to(self.saved_dtypes[name])
        try:
            model.save_pretrained(folder)
        finally:
            for name, parameter in self.parameters.items():
                parameter.data = exact[name]

    def _log(self, entry: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            with (self.output / LOG_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
