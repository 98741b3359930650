"""On a CUDA device: the embedded policy learns there too, in float32 and bfloat16."""

import numpy as np
import pytest
import torch
from helpers import make_algorithm, make_setup

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.policy import WarmStartConfig
from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.warm_start import warm_start
from pmd_pipeline.problems.tasks.addition import AdditionTask
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards.choice import reward_for
from pmd_pipeline.training.round_metrics import round_metrics
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.trainer import LocalTrainer

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(("precision", "largest_mismatch"), [("float32", 1e-3), ("bfloat16", 0.5)])
def test_a_round_on_the_gpu(tiny_policy: Policy, precision: str, largest_mismatch: float) -> None:
    tiny_policy.model.to("cuda")
    config = WarmStartConfig(num_steps=200)
    warm_start(tiny_policy, config, AdditionTask((1, 2, 3, 3)), seed=0, held_out=frozenset())
    setup = make_setup(make_algorithm())
    prompts = [
        Prompt(
            problem_id=f"{a}+{b}",
            token_ids=tuple(tiny_policy.tokenizer(f"{a}+{b}?")["input_ids"]),
            answer=str((a + b) % 10),
            problem=f"{a}+{b}",
        )
        for a in range(4)
        for b in range(2)
    ]
    tiny_policy.precision = precision  # type: ignore[assignment]
    engine = TransformersEngine(TransformersEngineConfig())
    results = list(
        run_rounds(
            LocalTrainer(tiny_policy, setup),
            engine,
            prompts,
            setup,
            reward_for(MathRewardConfig()),
            first_round=0,
            last_round=2,
        )
    )
    for result in results:
        metrics = round_metrics(result)
        assert np.isfinite(metrics.loss)
        assert metrics.mismatch_max < largest_mismatch
    assert next(tiny_policy.model.parameters()).dtype == torch.float32
