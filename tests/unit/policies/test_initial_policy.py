"""The initial policy in the precision that is asked for."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pmd_pipeline.config.policy import PolicyInitialisationConfig
from pmd_pipeline.policies.loading import initialise_policy
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.storage import save_policy

EMBEDDED = {
    "kind": "embedded",
    "hidden_size": 16,
    "num_heads": 1,
    "feed_forward_size": 16,
    "warm_start": {"num_steps": 2},
}


@pytest.mark.parametrize("kind", ["embedded", "pretrained"])
def test_weights_in_bfloat16_are_the_rounded_ones_in_float32(
    tiny_policy: Policy, tmp_path: Path, kind: str
) -> None:
    save_policy(tiny_policy, tmp_path / "a")
    pretrained = {"kind": "pretrained", "path": str(tmp_path / "a" / "policy")}
    policy = EMBEDDED if kind == "embedded" else pretrained
    exact, rounded = _initial(policy, torch.float32), _initial(policy, torch.bfloat16)
    expected = {name: p.bfloat16() for name, p in exact.model.named_parameters()}
    found = dict(rounded.model.named_parameters())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert rounded.model.dtype == torch.bfloat16
    # Rounded frequencies would shift the positions of long texts.
    assert rounded.model.base_model.rotary_emb.inv_freq.dtype == torch.float32


def _initial(policy: dict[str, Any], dtype: torch.dtype) -> Policy:
    return initialise_policy(
        PolicyInitialisationConfig.model_validate({"policy": policy}),
        seed=0,
        held_out=frozenset(),
        device=torch.device("cpu"),
        dtype=dtype,
    )
