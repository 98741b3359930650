"""What the types of the records say of shapes and number formats is so, in a round as it runs."""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
from helpers import make_algorithm, make_setup
from jaxtyping import Float, jaxtyped
from torch import Tensor

from pmd_pipeline.algorithms import LossInputs, LossOutput
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards.choice import reward_for
from pmd_pipeline.training import trainer as trainer_module
from pmd_pipeline.training import update
from pmd_pipeline.training.cycle import Cycle, MeasuredRollouts
from pmd_pipeline.training.round import run_round
from pmd_pipeline.training.trainer import LocalTrainer
from pmd_pipeline.training.update import TrainingBatch

TEXTS = ["1+2", "12+30", "274+089", "3+4"]


def check(record: Any) -> None:
    """Hold each field against its type; equal letters are equal sizes, in parts of it too."""
    with jaxtyped("context"):
        _check(record)


def _check(record: Any) -> None:
    hints = get_type_hints(type(record))
    for field in fields(record):
        value, hint = getattr(record, field.name), hints[field.name]
        if is_dataclass(value):
            _check(value)
        elif isinstance(value, Tensor | np.ndarray):
            kinds = [kind for kind in get_args(hint) or [hint] if kind is not type(None)]
            # Of a bare Tensor nothing is known, and nothing would be checked.
            assert hasattr(kinds[0], "dims"), f"{field.name} of {type(record).__name__}: no shape"
            assert isinstance(value, kinds[0]), f"{field.name}: {value.shape}, {value.dtype}"


@pytest.mark.parametrize("kind", ["pmd_mean", "grpo", "gspo", "on_policy_gradient"])
def test_records_of_a_round_have_the_shapes_that_their_types_say(
    tiny_policy: Policy, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()

    def checked(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            for record in (*arguments, result):
                if type(record) in (TrainingBatch, LossInputs, LossOutput, MeasuredRollouts):
                    check(record)
                    seen.add(type(record))
            return result

        return call

    for module, name in (
        (update, "mini_batch_loss"),
        (trainer_module, "update_policy"),
        (Cycle, "measure"),
    ):
        monkeypatch.setattr(module, name, checked(getattr(module, name)))
    setup = make_setup(make_algorithm(kind=kind))
    prompts = [
        Prompt(
            problem_id=text,
            token_ids=tuple(tiny_policy.tokenizer(f"{text}?")["input_ids"]),
            answer="3",
            problem=text,
        )
        for text in TEXTS
    ]
    run_round(
        LocalTrainer(tiny_policy, setup),
        TransformersEngine(TransformersEngineConfig()),
        prompts,
        setup,
        reward_for(MathRewardConfig()),
        round_index=0,
    )
    assert seen == {TrainingBatch, LossInputs, LossOutput, MeasuredRollouts}


@dataclass(frozen=True)
class Pair:
    first: Float[Tensor, "B T"]
    second: Float[Tensor, " B"]


@pytest.mark.parametrize(
    "pair",
    [
        Pair(torch.zeros(2, 3), torch.zeros(3)),
        Pair(torch.zeros(2), torch.zeros(2)),
        Pair(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)),
    ],
    ids=["other size", "missing axis", "whole numbers"],
)
def test_the_check_finds_what_is_wrong(pair: Pair) -> None:
    check(Pair(torch.zeros(2, 3), torch.zeros(2)))
    with pytest.raises(AssertionError, match=r"first|second"):
        check(pair)
