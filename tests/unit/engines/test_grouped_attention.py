"""Grouped attention equals the library's, on keys that nobody has repeated."""

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from vllm_helpers import make_tied_policy, record_attention

from pmd_pipeline.engines.grouped_attention import attend, grouped_attention


def module(num_groups: int) -> nn.Module:
    attention = nn.Module()
    attention.num_key_value_groups = num_groups
    return attention


@pytest.mark.parametrize("has_mask", [True, False])
@pytest.mark.parametrize("num_queries", [1, 7])
@pytest.mark.parametrize("num_key_heads", [1, 2, 6])
def test_it_equals_the_librarys_attention(
    num_key_heads: int, num_queries: int, has_mask: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(3, 6, num_queries, 8, generator=generator)
    key, value = torch.randn(2, 3, num_key_heads, 7, 8, generator=generator)
    mask = None
    if has_mask:
        mask = torch.ones(3, 1, num_queries, 7, dtype=torch.bool)
        mask[0, :, :, :3] = False
    arguments = (module(6 // num_key_heads), query, key, value, mask)
    ours, _ = attend(*arguments, scaling=0.3)
    theirs, _ = sdpa_attention_forward(*arguments, scaling=0.3)
    assert ours.shape == theirs.shape == (3, num_queries, 6, 8)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_new_tokens_keys_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = nn.functional.scaled_dot_product_attention

    def spy(
        query: torch.Tensor, key: torch.Tensor, *arguments: object, **options: object
    ) -> object:
        seen.append(key)
        return original(query, key, *arguments, **options)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", spy)
    key = torch.randn(3, 2, 7, 8)
    mask = torch.ones(3, 1, 1, 7, dtype=torch.bool)
    attend(module(3), torch.randn(3, 6, 1, 8), key, key, mask, scaling=0.3)
    assert seen[0] is key


@torch.no_grad()
def compute(model: PreTrainedModel) -> None:
    model(torch.tensor([[1, 4, 5]]))


def test_the_model_gets_its_attention_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_tied_policy().model
    used = record_attention(monkeypatch)

    def fail() -> None:
        with grouped_attention(model):
            compute(model)
            raise RuntimeError("while decoding")

    with pytest.raises(RuntimeError, match="while decoding"):
        fail()
    assert "sdpa" not in used
    used.clear()
    compute(model)
    assert used == {"sdpa"}


def test_a_model_with_another_attention_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_tied_policy().model
    model.set_attn_implementation("eager")
    used = record_attention(monkeypatch)
    with grouped_attention(model):
        compute(model)
    assert used == set(), "eager attention is the one that is not registered"
