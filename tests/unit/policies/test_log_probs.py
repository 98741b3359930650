"""Response log-probs against the model's own logits, for any padding and chunking."""

import copy
import math

import torch

from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.policy import Policy

PROMPTS = [[1, 5, 10, 7], [1, 4]]
RESPONSES = torch.tensor([[6, 7, 8], [9, 2, 0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])


def test_values_are_the_log_softmax_of_the_logits(tiny_policy: Policy) -> None:
    result = response_log_probs(
        tiny_policy.model, PROMPTS, RESPONSES, MASK, temperature=0.7, with_entropy=True
    )
    assert result.entropy is not None
    for row, (prompt, length) in enumerate(zip(PROMPTS, [3, 2], strict=True)):
        tokens = RESPONSES[row, :length]
        logits = tiny_policy.model(torch.tensor([[*prompt, *tokens.tolist()]])).logits[0]
        expected = (logits[len(prompt) - 1 : -1] / 0.7).log_softmax(-1)
        torch.testing.assert_close(
            result.log_probs[row, :length], expected.gather(-1, tokens[:, None])[:, 0]
        )
        entropy = -(expected.exp() * expected).sum(-1)
        torch.testing.assert_close(result.entropy[row, :length], entropy.detach())


def test_padding_holds_zero(tiny_policy: Policy) -> None:
    result = response_log_probs(
        tiny_policy.model, PROMPTS, RESPONSES, MASK, temperature=1.0, with_entropy=True
    )
    assert result.log_probs[1, 2] == 0
    assert result.entropy is not None
    assert result.entropy[1, 2] == 0


def test_a_wider_batch_changes_no_value(tiny_policy: Policy) -> None:
    wide = torch.nn.functional.pad(RESPONSES, (0, 5))
    wide_mask = torch.nn.functional.pad(MASK, (0, 5))
    narrow = response_log_probs(tiny_policy.model, PROMPTS, RESPONSES, MASK, temperature=1.0)
    result = response_log_probs(tiny_policy.model, PROMPTS, wide, wide_mask, temperature=1.0)
    assert torch.equal(result.log_probs[:, :3], narrow.log_probs)


def test_chunks_change_neither_values_nor_gradients(tiny_policy: Policy) -> None:
    gradients = []
    for logits_per_chunk in (10**9, 50):
        tiny_policy.model.zero_grad()
        result = response_log_probs(
            tiny_policy.model,
            PROMPTS,
            RESPONSES,
            MASK,
            temperature=1.0,
            logits_per_chunk=logits_per_chunk,
        )
        result.log_probs.sum().backward()
        gradients.append([p.grad.clone() for p in tiny_policy.model.parameters()])
    for whole, chunked in zip(*gradients, strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-5, atol=1e-6)


def test_entropy_of_a_uniform_policy_is_the_log_of_the_vocabulary(tiny_policy: Policy) -> None:
    torch.nn.init.zeros_(tiny_policy.model.get_output_embeddings().weight)
    result = response_log_probs(
        tiny_policy.model, PROMPTS, RESPONSES, MASK, temperature=1.0, with_entropy=True
    )
    assert result.entropy is not None
    torch.testing.assert_close(result.entropy[MASK], torch.full((5,), math.log(25)))


def test_an_option_that_the_model_does_not_read_changes_nothing(tiny_policy: Policy) -> None:
    before = response_log_probs(tiny_policy.model, PROMPTS, RESPONSES, MASK, temperature=1.0)
    other = copy.deepcopy(tiny_policy.model)
    other.config.final_logit_softcapping = 30.0
    after = response_log_probs(other, PROMPTS, RESPONSES, MASK, temperature=1.0)
    assert torch.equal(before.log_probs, after.log_probs)
