"""How many tokens, and what they cost."""

from __future__ import annotations

import math

from reasoning_vla_ros.evaluation.tokenizers.case import Case, Scores, mean, quantile


def rate(case: Case) -> Scores:
    """Tokens a trajectory and bits, tokens * log2(vocabulary).

    `escape_rate` is the share of rows that took more tokens than `num_tokens`; None where no number is promised.
    """
    counts = case.found.counts.double()
    promised = case.tokenizer.num_tokens
    return {
        "tokens_mean": mean(counts),
        "tokens_p99": quantile(counts, 0.99),
        "tokens_max": int(counts.max()),
        "vocab_size": case.tokenizer.vocab_size,
        "bits": mean(counts) * math.log2(case.tokenizer.vocab_size),
        "escape_rate": None if promised is None else mean((counts > promised).double()),
    }
