"""Demonstrations in shared rows: the same log-probs, less padding."""

import pytest
import torch

from pmd_pipeline.policies.demonstration_rows import Tokens, shared_rows
from pmd_pipeline.policies.policy import Policy

DEMONSTRATIONS = [
    Tokens([1, 5, 6], [7, 8, 9, 2]),
    Tokens([1, 3], [4, 2], first_weight=0.5),
    Tokens([1, 9], [2]),
    Tokens([1, 3, 4, 5], [6, 2]),
]


def test_a_demonstration_is_to_the_model_what_it_is_alone(tiny_policy: Policy) -> None:
    rows = shared_rows(DEMONSTRATIONS, width=8, pad_token_id=0)
    model = tiny_policy.model
    together = model(
        input_ids=rows.token_ids,
        position_ids=rows.positions,
        attention_mask=rows.attention_mask,
        use_cache=False,
    ).logits
    assert torch.isfinite(together).all()
    for index, (prompt, response, first) in enumerate(DEMONSTRATIONS):
        mine = rows.demonstration == index
        assert rows.token_ids[mine].tolist() == prompt + response
        assert rows.is_target[mine].tolist() == [False] * len(prompt) + [True] * len(response)
        rest = [1.0] * (len(response) - 1)
        assert rows.weight[mine].tolist() == [0.0] * len(prompt) + [first] + rest
        alone = model(input_ids=torch.tensor([prompt + response]), use_cache=False).logits[0]
        torch.testing.assert_close(together[mine], alone, rtol=1e-5, atol=1e-6)


def test_the_longest_come_first_and_the_others_fill_the_rows() -> None:
    rows = shared_rows(DEMONSTRATIONS, width=8, pad_token_id=0)
    assert rows.demonstration.tolist() == [
        [0, 0, 0, 0, 0, 0, 0, -1],
        [3, 3, 3, 3, 3, 3, -1, -1],
        [1, 1, 1, 1, 2, 2, 2, -1],
    ]
    assert not rows.is_target[rows.demonstration == -1].any()


def test_a_row_that_is_too_short_is_an_error() -> None:
    with pytest.raises(ValueError, match="7 tokens in rows of 6"):
        shared_rows(DEMONSTRATIONS, width=6, pad_token_id=0)
