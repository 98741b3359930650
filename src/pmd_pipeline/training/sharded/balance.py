"""Dividing rollouts among the processes that compute together."""

from collections.abc import Sequence

import torch
from torch import Tensor


def balanced_shares(num_tokens: Sequence[int], num_shares: int) -> list[Tensor]:
    """Return which rows each share takes: about equally many tokens, the same every time.

    Args:
        num_tokens: Of each row.
        num_shares: How many shares; some stay empty if there are fewer rows.

    Returns:
        Row numbers of each share, ascending, int64.
    """
    rows_of: list[list[int]] = [[] for _ in range(num_shares)]
    tokens_of = [0] * num_shares
    # Longest first, each to the share with the fewest tokens: no share ends up with more than the
    # others by more than one row.
    for row in sorted(range(len(num_tokens)), key=lambda row: (-num_tokens[row], row)):
        least = min(range(num_shares), key=lambda share: (tokens_of[share], share))
        rows_of[least].append(row)
        tokens_of[least] += num_tokens[row]
    return [torch.tensor(sorted(rows), dtype=torch.long) for rows in rows_of]
