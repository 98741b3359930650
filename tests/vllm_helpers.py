"""Small policies that vLLM runs, and engines without one of their precautions."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers import PROJECT
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines import vllm_engine
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.policies.embedded import VOCABULARY, build_tokenizer
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion

# Longer than a block of vLLM's prefix cache, which has 128 tokens on a CPU.
LONG_PROMPT = [1, *np.random.default_rng(0).integers(3, 25, size=300).tolist()]


def make_tied_policy(seed: int = 0, num_key_value_heads: int = 1) -> Policy:
    """Return a small Llama whose output head is its embedding, of head size 32 as vLLM needs."""
    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=num_key_value_heads,
        head_dim=32,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config).eval()
    return Policy(model=model, tokenizer=build_tokenizer())


def record_attention(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the names of the registered attentions that models compute with from now on."""
    used: set[str] = set()

    def recorded(name: str, attend: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            used.add(name)
            return attend(*arguments, **options)

        return wrapped

    for name, attend in list(ALL_ATTENTION_FUNCTIONS.items()):
        monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS, name, recorded(name, attend))
    return used


def make_mixture_policy() -> Policy:
    """Return a small mixture of experts."""
    config = Qwen3MoeConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        intermediate_size=128,
        moe_intermediate_size=64,
        num_experts=4,
        num_experts_per_tok=2,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=512,
        norm_topk_prob=True,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen3MoeForCausalLM(config).eval()
    return Policy(model=model, tokenizer=build_tokenizer())


def sample_two(engine: RolloutEngine, policy: Policy, prompts: list[list[int]]) -> list[Completion]:
    """Return two responses to each prompt, one after the other."""
    groups = engine.generate(
        prompts,
        version=engine.publish(policy),
        num_samples=2,
        sampling=SamplingConfig(max_new_tokens=12),
        seeds=list(range(len(prompts))),
    )
    return [completion for group in groups for completion in group]


def largest_error(policy: Policy, prompts: list[list[int]], completions: list[Completion]) -> float:
    """Return the largest difference of the log-probs of `sample_two` to the policy's own."""
    errors = []
    for i, completion in enumerate(completions):
        tokens = torch.tensor([completion.token_ids])
        expected = response_log_probs(
            policy.model,
            [prompts[i // 2]],
            tokens,
            torch.ones_like(tokens, dtype=torch.bool),
            temperature=1.0,
        ).log_probs[0]
        errors.append(np.abs(expected.detach().numpy() - completion.log_probs).max())
    return float(max(errors))


def update(policy: Policy, seed: int = 1, scale: float = 0.1) -> None:
    """Move every weight, as an optimizer's step would, and count the update."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=scale)
    policy.policy_version += 1


def break_adapter(monkeypatch: pytest.MonkeyPatch, *precautions: str) -> None:
    """Have engines that start from now on leave out precautions: see broken_adapter.py."""
    here = str(PROJECT / "tests" / "vllm_engine")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("BROKEN", ";".join(precautions))
    monkeypatch.setattr(vllm_engine, "_ADAPTER", "broken_adapter")


ENGINE = {
    "rollout_engine": {
        "type": "pmd_pipeline.datasets.engines.RolloutEngineDataset",
        "backend": "vllm",
        "options": {"kv_cache_gib": 0.25},
    }
}


def use_vllm(project: Any) -> None:
    """Have a test project's environment ``tiny`` sample with vLLM."""
    folder = project.path / "conf" / "tiny"
    (folder / "catalog.yml").write_text(yaml.safe_dump(ENGINE))
    parameters = yaml.safe_load((folder / "parameters.yml").read_text())
    # vLLM's CPU build knows no attention heads of 16; a policy that adds a little has a signal.
    parameters["policy_initialisation"]["policy"] |= {
        "hidden_size": 64,
        "head_dim": 32,
        "warm_start": {"num_steps": 300},
    }
    parameters["training"]["group_size"] = 8
    (folder / "parameters.yml").write_text(yaml.safe_dump(parameters))
