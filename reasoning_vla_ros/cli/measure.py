"""Speed and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reasoning_vla_ros.cli.common import app, console, says_what_is_wrong


@app.command()
@says_what_is_wrong
def bench(
    batch: Annotated[int, typer.Option(min=128, help="Trajectories at once.")] = 4096,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of PyTorch and numpy, for both sides.")] = 2,
    quick: Annotated[bool, typer.Option(help="Small tokenizers, few repeats: whether it runs, not how fast.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Speed of the tokenizers against plain implementations of the published methods, in one run."""
    import os
    from json import dumps

    # Libraries under numpy read it once, when they are loaded.
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)))
    import torch
    from rich.table import Table

    from reasoning_vla_ros.evaluation.bench import measure

    torch.set_num_threads(threads)
    with console.status("Measuring") as status:
        speeds = measure(batch, quick=quick, on_case=lambda name: status.update(f"Measuring {name}"))
    table = Table("tokenizer", title=f"Trajectories a second, {batch} at once, and one alone; {threads} threads")
    for column in ("ours", "baseline", "ratio", "one, µs", "in numpy solves"):
        table.add_column(column, justify="right")
    for speed in speeds:
        baseline = "" if speed.baseline_per_s is None else f"{speed.baseline_per_s:,.0f}"
        ratio = "" if speed.ratio is None else f"{speed.ratio:,.0f}x"
        single = (f"{speed.single_us:,.0f}", f"{speed.single_ratio:.1f}")
        table.add_row(speed.name, f"{speed.per_s:,.0f}", baseline, ratio, *single)
    console.print(table)
    console.print(
        "Baselines work one by one. A numpy solve is one dense 64 x 64 system, timed in turns with the single calls."
    )
    if json is not None:
        rows = [{**vars(speed), "ratio": speed.ratio, "single_ratio": speed.single_ratio} for speed in speeds]
        json.write_text(dumps({"batch": batch, "threads": threads, "quick": quick, "rows": rows}, indent=2) + "\n")


Shape = Annotated[str, typer.Option(help="10b, that of the public Alpamayo checkpoints, or small.")]
Candidates = Annotated[
    list[int] | None, typer.Option("--num-samples", min=1, help="Candidates a plan; repeat for more. Default: 1 and 6.")
]


@app.command("bench-model")
@says_what_is_wrong
def bench_model(
    shape: Shape = "10b",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, float16 or bfloat16.")] = "bfloat16",
    num_samples: Candidates = None,
    text_tokens: Annotated[int, typer.Option(min=1, help="Tokens of reasoning a plan.")] = 40,
    flow_steps: Annotated[int, typer.Option(min=1, help="Steps of the action expert's flow.")] = 10,
    repeats: Annotated[int, typer.Option(min=1, help="Plans that are timed; medians are told.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Speed and memory of a model of the public Alpamayo shape, with random weights, on this machine."""
    from reasoning_vla_ros.evaluation.bench.model_command import bench_model_command

    counts = num_samples or [1, 6]
    bench_model_command(shape, device, dtype, counts, text_tokens, flow_steps, repeats, json, console)


@app.command()
@says_what_is_wrong
def memory(
    shape: Shape = "10b",
    prompt_tokens: Annotated[int, typer.Option(min=1, help="Of 16 images, the ego history and the text.")] = 3006,
    text_tokens: Annotated[int, typer.Option(min=0, help="Tokens of reasoning a plan, at most.")] = 256,
    num_samples: Candidates = None,
    json: Annotated[Path | None, typer.Option(help="Write the bytes to this file.")] = None,
) -> None:
    """Memory that a model of the public Alpamayo shape takes, computed, and which boards have it."""
    from reasoning_vla_ros.evaluation.bench.model_command import memory_command

    memory_command(shape, prompt_tokens, text_tokens, num_samples or [1, 6], json, console)
