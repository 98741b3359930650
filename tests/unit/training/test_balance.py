"""Rollouts are divided evenly by tokens, each to one process, the same way every time."""

import numpy as np
import pytest
import torch

from pmd_pipeline.training.sharded.balance import balanced_shares


def test_the_longest_go_first_each_to_the_share_with_least() -> None:
    # 9 and 7; then 4 to the second (11), 3 to the first (12), 2 to the second (13).
    shares = balanced_shares([2, 9, 4, 7, 3], 2)
    assert [share.tolist() for share in shares] == [[1, 4], [0, 2, 3]]


@pytest.mark.parametrize("num_shares", [1, 2, 3, 8])
def test_every_row_has_one_share_and_no_share_is_longer_by_more_than_a_row(
    num_shares: int,
) -> None:
    num_tokens = np.random.default_rng(0).integers(1, 100, size=57).tolist()
    shares = balanced_shares(num_tokens, num_shares)
    assert sorted(torch.cat(shares).tolist()) == list(range(57))
    totals = [sum(num_tokens[row] for row in share) for share in shares]
    assert max(totals) - min(totals) <= max(num_tokens)


def test_fewer_rows_than_shares_leave_some_empty() -> None:
    shares = balanced_shares([5], 3)
    assert [share.tolist() for share in shares] == [[0], [], []]
    assert all(share.dtype == torch.long for share in shares)
