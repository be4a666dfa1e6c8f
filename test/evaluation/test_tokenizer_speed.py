"""The tokenizers against the plain method, in this process; the ratios measured are far larger."""

from __future__ import annotations

import torch

from reasoning_vla_ros.evaluation.tokenizer_speed import measure


def test_batches_are_faster_than_one_by_one() -> None:
    threads = torch.get_num_threads()
    # One thread, as waiting for a second one on a busy machine would be what is measured.
    torch.set_num_threads(1)
    try:
        ratios = {speed.name: speed.ratio for speed in measure(batch=1024, baseline_batch=8)}
    finally:
        torch.set_num_threads(threads)
    assert ratios["unicycle+uniform encode"] > 10
    assert ratios["delta_xyz+uniform decode"] > 100
    assert ratios["delta_xyz+uniform encode"] is None
