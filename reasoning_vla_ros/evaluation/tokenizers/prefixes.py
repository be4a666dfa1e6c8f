"""What the first tokens alone say, where they say anything."""

from __future__ import annotations

from reasoning_vla_ros.datasets.reconstruction import waypoint_errors
from reasoning_vla_ros.evaluation.tokenizers.case import Case, Scores, mean
from reasoning_vla_ros.tokenizers import InvalidTokensError

MOST_ROWS = 1024


def prefixes(case: Case) -> Scores:
    """ADE after the first 1, 2, 4, ... tokens: `prefix_ade` maps their number to it.

    None for tokenizers that need all of their tokens.
    """
    few = case.data[:MOST_ROWS]
    tokens = case.found.tokens[:MOST_ROWS]
    most = case.tokenizer.num_tokens or int(case.found.counts.min())
    counts = [2**power for power in range(most.bit_length()) if 2**power <= most]
    found: dict[str, float] = {}
    for count in sorted({*counts, most}):
        try:
            actions = case.tokenizer.action_tokenizer.decode(tokens[:, :count])
        except InvalidTokensError:
            return {"prefix_ade": None}
        if actions.shape[1] != few.horizon:  # shorter actions are a beginning, not a coarse whole
            return {"prefix_ade": None}
        xyz, _ = case.tokenizer.action_space.decode(*few.history(), actions)
        found[str(count)] = mean(waypoint_errors(few, xyz))
    return {"prefix_ade": found if len(found) > 1 else None}
