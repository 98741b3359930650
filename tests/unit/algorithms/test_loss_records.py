"""What a loss takes is checked when it is put together."""

import pytest
import torch

from pmd_pipeline.algorithms import LossDenominators, LossInputs


def fields() -> dict[str, torch.Tensor]:
    """Return valid fields of a micro-batch of two rollouts and three tokens."""
    return {
        "log_probs": torch.zeros(2, 3),
        "behaviour_log_probs": torch.zeros(2, 3),
        "response_mask": torch.ones(2, 3, dtype=torch.bool),
        "advantages": torch.zeros(2),
        "rollout_weights": torch.ones(2),
        "token_weights": torch.ones(2, 3),
    }


def test_fields_that_fit_are_taken():
    inputs = LossInputs(**fields())
    assert inputs.log_probs.shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("log_probs", torch.zeros(6), r"log_probs must be \[B, T\]"),
        ("log_probs", torch.zeros(2, 3, dtype=torch.bfloat16), "found torch.bfloat16"),
        ("behaviour_log_probs", torch.zeros(2, 2), r"behaviour_log_probs must be .*\[2, 3\]"),
        ("response_mask", torch.ones(2, 3), "response_mask must be bool .*found torch.float32"),
        ("response_mask", torch.ones(3, 2, dtype=torch.bool), r"response_mask .*found \[3, 2\]"),
        ("advantages", torch.zeros(2, 3), r"advantages must be \[2\]"),
        ("rollout_weights", torch.zeros(3), r"rollout_weights must be \[2\]"),
        ("token_weights", torch.zeros(2), r"token_weights must be \[B, T\]"),
    ],
)
def test_a_field_of_the_wrong_shape_or_type_is_refused_by_name(name, value, message):
    with pytest.raises(ValueError, match=message):
        LossInputs(**{**fields(), name: value})


def test_the_counts_of_a_mini_batch_come_from_its_response_mask():
    mask = torch.tensor([[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1]]).bool()
    denominators = LossDenominators.from_response_mask(mask, max_response_tokens=8)
    assert denominators == LossDenominators(
        num_rollouts=4, num_nonempty_rollouts=3, num_tokens=6, max_response_tokens=8
    )


@pytest.mark.parametrize("counts", [(0, 0, 0, 8), (2, 3, 4, 8), (2, 2, 1, 8), (2, 1, 9, 8)])
def test_counts_that_contradict_each_other_are_refused(counts):
    names = ("num_rollouts", "num_nonempty_rollouts", "num_tokens", "max_response_tokens")
    with pytest.raises(ValueError, match=r"must be positive|contradict"):
        LossDenominators(**dict(zip(names, counts, strict=True)))
