"""Every random choice follows from a seed of the experiment and from what it is for.

No generator's state has to be stored: a resumed round draws what the interrupted one drew.
"""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed in [0, 2**63) that depends on ``seed`` and ``purpose`` alone."""
    text = "/".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
