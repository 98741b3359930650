"""Checked values and a mini-batch to try losses on."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pmd_pipeline.algorithms import LossInputs

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def oracles() -> dict[str, Any]:
    """The checked cases of algorithms and theory, float64 from 60-digit arithmetic."""
    path = Path(__file__).parents[2] / "fixtures" / "oracles" / "pmd_cases.json"
    return json.loads(path.read_text())


@pytest.fixture
def mini_batch() -> LossInputs:
    """Twelve rollouts of lengths 0 to 9, NaN outside the responses, log-ratios on both sides of the
    usual bounds.
    """
    generator = torch.Generator().manual_seed(3)
    lengths = torch.tensor([4, 1, 9, 0, 2, 7, 3, 5, 0, 6, 8, 1])
    mask = torch.arange(9) < lengths[:, None]
    behaviour = -3 * torch.rand(12, 9, generator=generator, dtype=torch.float64)
    log_probs = behaviour + 0.3 * torch.randn(12, 9, generator=generator, dtype=torch.float64)
    return LossInputs(
        log_probs=log_probs.masked_fill(~mask, torch.nan).requires_grad_(),
        behaviour_log_probs=behaviour.masked_fill(~mask, torch.nan),
        response_mask=mask,
        advantages=torch.randn(12, generator=generator, dtype=torch.float64),
        rollout_weights=torch.rand(12, generator=generator, dtype=torch.float64),
    )
