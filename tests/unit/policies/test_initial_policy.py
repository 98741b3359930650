"""The initial policy in the precision that is asked for."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_model
from transformers import OPTConfig, OPTForCausalLM

from pmd_pipeline.config.data_preparation import GeneratedAdditionSource
from pmd_pipeline.config.policy import PolicyInitialisationConfig
from pmd_pipeline.policies.loading import PolicyLoadError, initialise_policy, load_model
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


def test_no_dropout_is_left_not_even_one_that_is_a_number_in_its_layer(tmp_path: Path) -> None:
    """With gradient checkpointing an update computes in training mode."""
    config = OPTConfig(
        vocab_size=20, hidden_size=8, ffn_dim=8, num_hidden_layers=1, num_attention_heads=1,
        word_embed_proj_dim=8, dropout=0.5, attention_dropout=0.5,
    )  # fmt: skip
    OPTForCausalLM(config).save_pretrained(tmp_path)
    model = load_model(str(tmp_path), dtype=torch.float32).train()
    tokens = torch.arange(3, 9)[None]
    assert torch.equal(model(tokens).logits, model(tokens).logits)


def test_a_model_that_would_be_wrong_is_not_loaded(tmp_path: Path) -> None:
    tiny_model("roberta").save_pretrained(tmp_path)
    with pytest.raises(PolicyLoadError, match="type 'roberta' are not supported") as raised:
        load_model(str(tmp_path), dtype=torch.float32)
    assert str(tmp_path) in str(raised.value)
    assert "docs/models.md" in str(raised.value)


def _initial(policy: dict[str, Any], dtype: torch.dtype) -> Policy:
    return initialise_policy(
        PolicyInitialisationConfig.model_validate({"policy": policy}),
        seed=0,
        held_out=frozenset(),
        train=GeneratedAdditionSource(kind="generated_addition", num_problems=1),
        device=torch.device("cpu"),
        dtype=dtype,
    )
