"""A policy's weights by name: those of its own model, each once."""

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.weights import named_weights


def test_weights_have_the_models_own_names_and_values(tiny_policy: Policy) -> None:
    weights = dict(named_weights(tiny_policy))
    expected = tiny_policy.model.state_dict()
    assert list(weights) == list(expected)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert not any(weight.requires_grad for weight in weights.values())


def test_a_tied_head_comes_once_as_the_embedding(tiny_policy: Policy) -> None:
    config = Qwen3Config(
        vocab_size=25,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        tie_word_embeddings=True,
    )
    tied = Policy(model=Qwen3ForCausalLM(config), tokenizer=tiny_policy.tokenizer)
    names = [name for name, _ in named_weights(tied)]
    assert "model.embed_tokens.weight" in names
    assert set(tied.model.state_dict()) - set(names) == {"lm_head.weight"}
