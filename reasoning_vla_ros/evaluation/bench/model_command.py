"""What `reasoning-vla bench-model` and `reasoning-vla memory` do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from reasoning_vla_ros.evaluation.bench.memory import USABLE, markdown_table, memory_needs
from reasoning_vla_ros.evaluation.bench.model_speed import measure_model
from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.planning.model_loading import DTYPES, pick_device


def memory_command(
    shape: str,
    prompt_tokens: int,
    text_tokens: int,
    samples: Sequence[int],
    json_path: Path | None,
    console: Console,
) -> None:
    """Prints `memory_needs` as a Markdown table."""
    require_file_name(json_path)
    needs = memory_needs(shape, prompt_tokens, text_tokens, samples)
    console.print(markdown_table(needs), markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"GiB, computed and not measured, with {prompt_tokens} tokens of prompt and {text_tokens} of text; what fits "
        f"takes at most {USABLE:.0%} of the memory",
        soft_wrap=True,
    )
    document = {
        "computed": True,
        "shape": shape,
        "prompt_tokens": prompt_tokens,
        "text_tokens": text_tokens,
        "rows": [need.to_json() for need in needs],
    }
    write_json(json_path, document)


def bench_model_command(
    shape: str,
    device: str,
    dtype: str,
    samples: Sequence[int],
    text_tokens: int,
    flow_steps: int,
    repeats: int,
    json_path: Path | None,
    console: Console,
) -> None:
    """Prints `measure_model` as a Markdown table."""
    require_file_name(json_path)
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {sorted(DTYPES)}, got {dtype!r}")
    chosen = pick_device(device)
    with console.status("Measuring") as status:
        result = measure_model(
            shape,
            chosen,
            DTYPES[dtype],
            samples=samples,
            text_tokens=text_tokens,
            flow_steps=flow_steps,
            repeats=repeats,
            on_step=lambda what: status.update(f"Measuring {what}"),
        )
    for line in speed_lines(result):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    write_json(json_path, result)


def speed_lines(result: dict[str, Any]) -> list[str]:
    """The result of `measure_model` as lines of Markdown."""
    stages = ("encode", "prefill", "reason", "act", "total")
    lines = [
        f"{result['machine']}, PyTorch {result['torch']}, transformers {result['transformers']}: "
        f"{result['parameters'] / 1e9:.2f} billion random parameters in {result['dtype']}, "
        f"{result['weight_bytes'] / 2**30:.2f} GiB; memory copied at {result['bandwidth_bytes_per_s'] / 1e9:.0f} GB/s",
        "",
        f"| K | prompt | {' | '.join(f'{stage} s' for stage in stages)} | tokens/s | limit | share | peak GiB |",
        "|" + " ---: |" * (len(stages) + 6),
    ]
    for row in result["rows"]:
        peak = "-" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**30:.2f}"
        cells = [
            str(row["num_samples"]),
            str(row["prompt_tokens"]),
            *(f"{row['seconds'][stage]:.3f}" for stage in stages),
            f"{row['tokens_per_s']:.1f}",
            f"{row['limit_tokens_per_s']:.1f}",
            f"{row['share_of_limit']:.0%}",
            peak,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def require_file_name(json_path: Path | None) -> None:
    """Raises EvaluationError, before anything takes time, for a folder."""
    if json_path is not None and json_path.is_dir():
        raise EvaluationError(f"--json {json_path} is a folder, needed the name of a file")


def write_json(json_path: Path | None, document: dict[str, Any]) -> None:
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(document, indent=2) + "\n")
