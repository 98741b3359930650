"""The folder that a sampler reads weights from."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.engines.weights_folder import weights_folder
from pmd_pipeline.policies.lora import add_adapter
from pmd_pipeline.policies.policy import Policy


def test_it_holds_the_policys_weights_and_goes_with_the_block(tiny_policy: Policy) -> None:
    with weights_folder(tiny_policy, "float32") as folder:
        stored = load_file(folder / "model.safetensors")
        assert (folder / "config.json").is_file()
    assert not folder.exists()
    expected = tiny_policy.model.state_dict()
    assert stored.keys() == expected.keys()
    assert all(torch.equal(stored[name], expected[name]) for name in stored)


def test_weights_are_rounded_to_the_samplers_precision(tiny_policy: Policy) -> None:
    with weights_folder(tiny_policy, "bfloat16") as folder:
        stored = load_file(folder / "model.safetensors")
    for name, weight in tiny_policy.model.state_dict().items():
        assert torch.equal(stored[name], weight.bfloat16())
    assert next(tiny_policy.model.parameters()).dtype == torch.float32


def test_a_tied_output_head_is_stored_once(tiny_policy: Policy) -> None:
    config = LlamaConfig(
        vocab_size=25,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
    )
    policy = Policy(model=LlamaForCausalLM(config), tokenizer=tiny_policy.tokenizer)
    with weights_folder(policy, "float32") as folder:
        names = load_file(folder / "model.safetensors").keys()
    assert "model.embed_tokens.weight" in names
    assert "lm_head.weight" not in names


def test_an_adapter_is_added_to_the_weights(tiny_policy: Policy) -> None:
    base = {name: weight.clone() for name, weight in tiny_policy.model.state_dict().items()}
    add_adapter(tiny_policy, LoraConfig(rank=2), base_folder=Path("unused"), seed=0)
    name = "model.layers.0.mlp.up_proj"
    layer = tiny_policy.model.get_submodule(name)
    with torch.no_grad():
        layer.lora_B["default"].weight.fill_(0.5)
    with weights_folder(tiny_policy, "float32") as folder:
        stored = load_file(folder / "model.safetensors")
    assert stored.keys() == base.keys()
    first = layer.lora_A["default"].weight
    change = layer.scaling["default"] * 0.5 * first.sum(dim=0, keepdim=True)
    torch.testing.assert_close(stored[f"{name}.weight"], base[f"{name}.weight"] + change)
    others = base.keys() - {f"{name}.weight"}
    assert all(torch.equal(stored[other], base[other]) for other in others)


def test_the_experts_of_a_mixture_are_stored_one_by_one(tiny_policy: Policy) -> None:
    config = Qwen3MoeConfig(
        vocab_size=25,
        hidden_size=32,
        intermediate_size=64,
        moe_intermediate_size=16,
        num_experts=4,
        num_experts_per_tok=2,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    policy = Policy(model=Qwen3MoeForCausalLM(config), tokenizer=tiny_policy.tokenizer)
    with weights_folder(policy, "float32") as folder:
        stored = load_file(folder / "model.safetensors")
    assert stored["model.layers.0.mlp.experts.3.down_proj.weight"].shape == (32, 16)
