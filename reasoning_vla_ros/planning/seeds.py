"""Random seeds that depend on nothing but the run's seed and the plan's instant."""

import hashlib


def plan_seed(base_seed: int, t0_ns: int) -> int:
    """Seed of the plan at t0, in 0..2**63 - 1.

    The live node skips instants while it is busy, the evaluation of a bag does not; with a seed made from t0 both
    draw the same random numbers for the same instant.
    """
    digest = hashlib.blake2b(f"{base_seed}:{t0_ns}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
