"""The tokenizers against the plain method in benchmarks/, in this process; the ratios measured are far larger."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "tokenizer_speed.py"


def test_batches_are_faster_than_one_by_one() -> None:
    spec = importlib.util.spec_from_file_location("tokenizer_speed", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    threads = torch.get_num_threads()
    # One thread, as waiting for a second one on a busy machine would be what is measured.
    torch.set_num_threads(1)
    try:
        rows = {row["name"]: row for row in benchmark.measure(batch=1024, baseline_batch=8)}
    finally:
        torch.set_num_threads(threads)
    assert rows["unicycle+uniform encode"]["ratio"] > 10
    assert rows["delta_xyz+uniform decode"]["ratio"] > 100
