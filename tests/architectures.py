"""What is right and what is refused, architecture by architecture, and the page that says so.

``make docs-models`` writes docs/models.md anew.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from helpers import PROJECT
from tiny_models import MODEL_TYPES, STOPS, tiny_config
from transformers import PreTrainedModel

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.decoding import decoding_plan
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.architectures import check_model, check_model_type
from pmd_pipeline.policies.embedded import build_tokenizer
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.logit_form import UnsupportedModelError
from pmd_pipeline.policies.packing import PACKED_MODEL_TYPES
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.preflight.model_shape import empty_model

PAGE = PROJECT / "docs" / "models.md"
PROMPTS = [[1, 5, 10, 7, 12, 9, 22, 17, 18], [1, 33, 12], [1, 20, 4]]


class StoppingPolicy(Policy):
    """A policy that stops at one token in five, so that rows leave at every step."""

    @property
    def stop_token_ids(self) -> frozenset[int]:
        return frozenset(STOPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Largest differences.

    Attributes:
        trainer: Of the trainer's log-probs from those of the model's own logits, nats.
        sampler: Of the sampler's log-probs from the trainer's, nats.
        gradient: Of the trainer's gradient from that of the model's own logits, relative.
    """

    trainer: float
    sampler: float
    gradient: float


def refusal(model_type: str) -> str | None:
    """Return why an architecture is refused, None if it is not."""
    try:
        # Some of those that are known not to work cannot even be built by default.
        check_model_type(model_type)
        check_model(empty_model(tiny_config(model_type)))
    except UnsupportedModelError as error:
        return str(error)
    return None


def agreement(model: PreTrainedModel) -> Agreement:
    """Sample ragged responses of ragged prompts, rows leaving and joining, and compare."""
    policy = StoppingPolicy(model=model, tokenizer=build_tokenizer())
    engine = TransformersEngine(TransformersEngineConfig(max_batch_size=5))
    groups = engine.generate(
        PROMPTS,
        version=engine.publish(policy),
        num_samples=3,
        sampling=SamplingConfig(max_new_tokens=10),
        seeds=range(len(PROMPTS)),
    )
    prompts = [prompt for prompt, group in zip(PROMPTS, groups, strict=True) for _ in group]
    samples = [sample for group in groups for sample in group]
    lengths = torch.tensor([len(sample.token_ids) for sample in samples])
    assert len(set(lengths.tolist())) > 2
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    tokens = torch.zeros(mask.shape, dtype=torch.long)
    tokens[mask] = torch.tensor([token for sample in samples for token in sample.token_ids])
    trainer = response_log_probs(model, prompts, tokens, mask, temperature=1.0).log_probs
    own = torch.cat([_own(model, p, s.token_ids) for p, s in zip(prompts, samples, strict=True)])
    sampler = torch.tensor(np.concatenate([sample.log_probs for sample in samples]))
    return Agreement(
        trainer=float((trainer[mask] - own).abs().max().detach()),
        sampler=float((trainer[mask] - sampler).abs().max().detach()),
        gradient=_gradient_difference(model, trainer.sum(), own.sum()),
    )


def _own(model: PreTrainedModel, prompt: list[int], response: tuple[int, ...]) -> torch.Tensor:
    logits = model(input_ids=torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1)[range(len(response)), response]


def _gradient_difference(model: PreTrainedModel, *totals: torch.Tensor) -> float:
    gradients = []
    for total in totals:
        model.zero_grad()
        total.backward()
        parts = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        gradients.append(torch.cat(parts).double())
    ours, expected = gradients
    return float((ours - expected).norm() / expected.norm())


_HEAD = """# Models

*Written by `make docs-models`; `make test-architectures` holds it to what the tests find.*

{right} of the {all} causal-LM architectures of transformers {version} can be trained and sampled
from; {refused} are refused by name, by `kedro preflight` and before a run starts. For each that is
right, the tests build a tiny random model, sample responses to prompts of unequal length while rows
leave at every step, and compare three things to 1e-4: the trainer's log-probs and gradients with
those of the model's own logits, and the sampler's log-probs with the trainer's.

How a model makes logits of its last hidden states (a scale, a soft cap, under whatever name its
configuration has it) is found by running its forward pass on known numbers
(`policies/logit_form.py`), so nothing has to be listed for it.

**Every run begins with the same comparison of log-probs on its own model**, for either engine, on
its first four prompts: a model that is not listed, such as one with code of its own, either agrees
or stops the run with the difference in nats, before anything else is sampled. In float32, 1e-3 nats
on average are allowed, in bfloat16 0.1.

Types are those of `config.json` (`model_type`). The tests run on a CPU, in one process, in float32.
`kedro preflight` counts weights, gradients and moments of all of them exactly, activations only of
{packed}. With the vLLM engine, the model must also be one that vLLM runs.

## Right

How the transformers engine reads a model token by token decides its speed.

{ways}
## Refused

| type | reason |
| --- | --- |
{reasons}
"""
_PADDED = "Prompts of different lengths together"
_ONE_LENGTH = "Prompts of one length at a time: padding would change their state or positions"

_ANEW = "The whole text anew for each token, which is slow: their state is out of reach, or wrong"


def render_page() -> str:
    """Return docs/models.md for the installed transformers."""
    reasons = {name: reason for name in sorted(MODEL_TYPES) if (reason := refusal(name))}
    ways: dict[str, list[str]] = {_PADDED: [], _ONE_LENGTH: [], _ANEW: []}
    for name in sorted(set(MODEL_TYPES) - reasons.keys()):
        plan = decoding_plan(empty_model(tiny_config(name)))
        way = _PADDED if plan.can_pad else _ANEW if plan.state_name is None else _ONE_LENGTH
        ways[way].append(name)
    alike: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        what = re.sub(r"^\w+ (?=makes its logits)", "it ", reason.partition(": ")[2])
        alike.setdefault(what, []).append(name)
    return _HEAD.format(
        right=len(MODEL_TYPES) - len(reasons),
        refused=len(reasons),
        all=len(MODEL_TYPES),
        version=version("transformers"),
        packed=_listed(PACKED_MODEL_TYPES),
        ways="\n".join(
            f"**{way}** ({len(names)}): {_listed(names)}\n" for way, names in ways.items()
        ),
        reasons="\n".join(f"| {_listed(names)} | {what} |" for what, names in alike.items()),
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
