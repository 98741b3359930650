"""A whole model with the decoding attention, also where the trainer packs sequences."""

import pytest
import torch
from transformers import DynamicCache, Qwen3Config, Qwen3ForCausalLM
from vllm_helpers import record_attention

from pmd_pipeline.engines.grouped_attention import grouped_attention
from pmd_pipeline.policies.packing import PACKED_ATTENTION


@pytest.fixture
def model() -> Qwen3ForCausalLM:
    config = Qwen3Config(
        vocab_size=30,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    return Qwen3ForCausalLM(config).eval()


@pytest.mark.parametrize("attention", ["sdpa", PACKED_ATTENTION])
def test_a_decoded_token_has_the_logits_of_torchs_own_attention(
    model: Qwen3ForCausalLM, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _logits_of_a_decoded_token(model)
    model.set_attn_implementation(attention)
    used = record_attention(monkeypatch)
    with grouped_attention(model):
        found = _logits_of_a_decoded_token(model)
    assert not used & {"sdpa", PACKED_ATTENTION}
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    used.clear()
    _logits_of_a_decoded_token(model)
    assert used == {attention}


@torch.no_grad()
def _logits_of_a_decoded_token(model: Qwen3ForCausalLM) -> torch.Tensor:
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    cache = DynamicCache(config=model.config)
    prompts = torch.tensor([[0, 0, 5, 6], [1, 2, 3, 4]])
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    model(prompts, attention_mask=mask, position_ids=positions, past_key_values=cache)
    return model(
        torch.tensor([[7], [8]]),
        attention_mask=torch.cat([mask, torch.ones(2, 1, dtype=torch.long)], dim=1),
        position_ids=torch.tensor([[2], [4]]),
        past_key_values=cache,
    ).logits
