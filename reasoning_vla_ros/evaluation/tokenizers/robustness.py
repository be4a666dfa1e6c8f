"""What a decoder makes of ids that no encoder gave."""

from __future__ import annotations

from collections import Counter

import torch

from reasoning_vla_ros.datasets.reconstruction import waypoint_errors
from reasoning_vla_ros.evaluation.tokenizers.case import Case, Scores, quantile
from reasoning_vla_ros.tokenizers import InvalidTokensError

# Nothing on the road gets further from t0 in the time.
MAX_SPEED_MPS = 60.0
OUTCOMES = ("usable", "refused", "out_of_bounds", "silent_zeros", "crashed")


def random_ids(case: Case, rows: int = 500) -> Scores:
    """Shares of rows of ids, drawn evenly from the vocabulary, by what becomes of them.

    usable: a finite trajectory within bounds. refused: InvalidTokensError. out_of_bounds: a trajectory beyond what a
    car can reach at 60 m/s, or what the joints of the data do by more than as much again, or not finite.
    silent_zeros: actions that are all zero, though these are not the ids of that. crashed: another error. Rows that
    vary in length have real rows' lengths.
    """
    generator = case.generator()
    chosen = torch.randint(len(case.data), (rows,), generator=generator)
    # Escapes are no length that a model would keep to.
    most = case.tokenizer.num_tokens or int(case.found.counts.max())
    tokens = torch.randint(case.tokenizer.vocab_size, (rows, most), generator=generator)
    outcomes: Counter[str] = Counter()
    for row, ids in zip(chosen.tolist(), tokens, strict=True):
        count = min(int(case.found.counts[row]), most)
        outcomes[_decode(case, row, ids[:count])[0]] += 1
    return {f"random_{outcome}": outcomes[outcome] / rows for outcome in OUTCOMES}


def substituted_id(case: Case, rows: int = 500) -> Scores:
    """One id of a real row, at a random place, becomes another one at random: the error after it, and refusals.

    `substituted_ade_*` are of the rows that still decode.
    """
    generator = case.generator()
    chosen = torch.randint(len(case.data), (rows,), generator=generator)
    outcomes: Counter[str] = Counter()
    errors = []
    for row in chosen.tolist():
        ids = case.found.tokens[row, : int(case.found.counts[row])].clone()
        place = int(torch.randint(len(ids), (), generator=generator))
        step = int(torch.randint(1, case.tokenizer.vocab_size, (), generator=generator))
        ids[place] = (ids[place] + step) % case.tokenizer.vocab_size
        outcome, xyz = _decode(case, row, ids)
        outcomes[outcome] += 1
        if xyz is not None:
            errors.append(waypoint_errors(case.data[row : row + 1], xyz).mean())
    ades = torch.stack(errors) if errors else torch.empty(0)
    return {
        "substituted_ade_median": quantile(ades, 0.5),
        "substituted_ade_p99": quantile(ades, 0.99),
        **{f"substituted_{outcome}": outcomes[outcome] / rows for outcome in OUTCOMES},
    }


def _decode(case: Case, row: int, ids: torch.Tensor) -> tuple[str, torch.Tensor | None]:
    """What becomes of one row of ids, and the trajectory [1, T, 3] where there is one."""
    one = case.data[row : row + 1]
    try:
        actions = case.tokenizer.action_tokenizer.decode(ids[None])
        xyz, _, _ = case.tokenizer.decode(*one.history(), ids[None])
    except InvalidTokensError:
        return "refused", None
    except Exception:  # whatever it is, it is what this measures
        return "crashed", None
    if not _within_bounds(case, xyz):
        return "out_of_bounds", xyz
    meant = bool(actions.any()) or torch.equal(case.tokenizer.action_tokenizer.encode(actions), ids[None])
    return ("usable" if meant else "silent_zeros"), xyz


def _within_bounds(case: Case, xyz: torch.Tensor) -> bool:
    # NaN compares false.
    if case.data.is_driving:
        reach_m = MAX_SPEED_MPS * case.data.dt_s * case.data.horizon
        return bool((xyz.abs() <= reach_m).all())
    positions = case.data.fut_xyz.flatten(0, 1)
    lower, upper = positions.amin(0), positions.amax(0)
    return bool(((xyz >= lower - (upper - lower)) & (xyz <= upper + (upper - lower))).all())
