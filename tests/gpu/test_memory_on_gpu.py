"""On a CUDA device: packed attention by torch's own kernel, the head's peak, bfloat16 weights."""

import pytest
import torch
from helpers import make_algorithm, make_rollouts, make_setup
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from pmd_pipeline.algorithms import advantages_of, rollout_weights
from pmd_pipeline.policies import packing
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.output_head import head_log_probs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.rollouts.batch import to_batch
from pmd_pipeline.training.trainer import LocalTrainer
from pmd_pipeline.training.update import TrainingBatch

pytestmark = pytest.mark.gpu


def test_packed_log_probs_and_gradients_are_as_near_to_the_exact_ones_as_padded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = Qwen3Config(
        vocab_size=100,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=8,
        num_key_value_heads=2,
        head_dim=64,
        initializer_range=0.1,
    )
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config).to("cuda").eval()
    exact = _log_probs_and_gradients(model, packed=False, bfloat16=False)
    padded = _log_probs_and_gradients(model, packed=False, bfloat16=True)
    # The kernel, not the loop that stands in for it elsewhere.
    monkeypatch.delattr(packing, "scaled_dot_product_attention")
    packed = _log_probs_and_gradients(model, packed=True, bfloat16=True)
    for of_exact, of_padded, of_packed in zip(exact, padded, packed, strict=True):
        rounding = (of_padded - of_exact).norm()
        assert rounding > 0
        assert (of_packed - of_exact).norm() < 2 * rounding


def test_auto_packs_in_bfloat16(tiny_policy: Policy) -> None:
    tiny_policy.model.to("cuda")
    for precision, expected in (("bfloat16", True), ("float32", False)):
        found = packing.uses_packing(
            tiny_policy.model, "auto", device=tiny_policy.device, precision=precision
        )
        assert found == expected


def test_the_heads_peak_is_at_most_a_quarter_of_all_logits_at_once() -> None:
    head = nn.Linear(64, 151_936, bias=False, device="cuda")
    hidden = torch.randn(4096, 64, device="cuda", requires_grad=True)
    targets = torch.randint(151_936, (4096,), device="cuda")

    def naive() -> Tensor:
        log_softmax = head(hidden).float().log_softmax(dim=-1)
        return log_softmax.gather(-1, targets[:, None]).squeeze(-1)

    def own() -> Tensor:
        return head_log_probs(head, hidden, targets, temperature=1.0)[0]

    (expected, naive_peak), (found, peak) = _values_and_peak(naive), _values_and_peak(own)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    assert peak < naive_peak / 4


def test_bfloat16_weights_take_steps_of_their_masters(tiny_policy: Policy) -> None:
    for parameter in tiny_policy.model.parameters():
        parameter.data = parameter.data.bfloat16()
    tiny_policy.model.to("cuda")
    tiny_policy.precision = "bfloat16"
    setup = make_setup(make_algorithm())
    trainer = LocalTrainer(tiny_policy, setup)
    batch = to_batch(make_rollouts())
    rollouts = TrainingBatch(
        rollouts=batch,
        names=[str(row) for row in range(16)],
        behaviour_log_probs=trainer.log_probs(batch).log_probs,
        advantages=advantages_of(setup.algorithm, batch.rewards, batch.group_ids),
        rollout_weights=rollout_weights(setup.algorithm, batch.rewards, batch.group_ids),
    )
    before = {n: p.detach().float().cpu() for n, p in tiny_policy.model.named_parameters()}
    # Less than half the distance of two bfloat16 of a weight's size: the masters alone keep it.
    trainer.update(rollouts, torch.arange(16), learning_rate=1e-7, where="")
    state = trainer.optimizer_state()
    for name, parameter in tiny_policy.model.named_parameters():
        master = state[f"{name}.master"]
        assert not torch.equal(master, before[name])
        assert torch.equal(parameter.cpu(), master.bfloat16())


def _values_and_peak(log_probs: object) -> tuple[Tensor, int]:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    values = log_probs()  # type: ignore[operator]
    values.sum().backward()
    torch.cuda.synchronize()
    return values.detach(), torch.cuda.max_memory_allocated() - before


def _log_probs_and_gradients(
    model: Qwen3ForCausalLM, *, packed: bool, bfloat16: bool
) -> list[Tensor]:
    lengths = torch.tensor([200, 7, 1, 64, 129])
    responses = torch.randint(100, (5, 200), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(200) < lengths[:, None]
    prompts = [[1, 2, 3], [4] * 30, [5], [6] * 10, [7] * 100]
    model.zero_grad(set_to_none=True)
    with torch.autocast("cuda", torch.bfloat16, enabled=bfloat16):
        result = response_log_probs(model, prompts, responses, mask, temperature=1.0, packed=packed)
    result.log_probs.mean().backward()
    return [result.log_probs.detach(), *(p.grad.clone() for p in model.parameters())]
