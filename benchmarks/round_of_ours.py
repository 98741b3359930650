"""This package's side of ``round_against_trl.py``: one GRPO round for each line that is read."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from round_floor import Floor
from round_work import GROUP_SIZE, LEARNING_RATE, LENGTHS, NUM_PROMPTS, read_prompts, reward_of
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from pmd_pipeline.config.algorithms import AlgorithmParameters
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.config.training import OptimizerConfig, TrainingConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.training.round import RoundResult, run_round
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import LocalTrainer


class Reward:
    """The shared reward as a reward function."""

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        return [
            Score(reward=(value := reward_of(response)), correct=value > 0)
            for response in responses
        ]

    def close(self) -> None:
        """Nothing to close."""


def main() -> None:
    """Run a round, or the floor's work on the last round's tokens, for each line."""
    folder, lengths = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    policy = Policy(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval(),
        tokenizer=tokenizer,
    )
    if lengths == "equal":
        # No token stops a response.
        policy.model.generation_config.eos_token_id = None
        tokenizer.eos_token = None
    setup = _setup(LENGTHS[lengths])
    trainer = LocalTrainer(policy, setup)
    engine = TransformersEngine(TransformersEngineConfig())
    texts = read_prompts(folder)
    prompts = [
        Prompt(
            problem_id=str(i),
            token_ids=tuple(tokenizer(text)["input_ids"]),
            answer=None,
            problem=text,
        )
        for i, text in enumerate(texts)
    ]
    floor = Floor(policy.model)
    _say({"num_threads": torch.get_num_threads()})
    last: RoundResult | None = None
    for index, command in enumerate(sys.stdin):
        if command.strip() == "floor" and last is not None:
            _say({"cpu_seconds": floor.seconds(last), "num_tokens": _num_tokens(last)})
            continue
        these = prompts[index * NUM_PROMPTS % len(prompts) :][:NUM_PROMPTS]
        started = time.process_time()
        last = run_round(trainer, engine, these, setup, Reward(), round_index=index)
        took = time.process_time() - started
        _say({"cpu_seconds": took, "num_tokens": _num_tokens(last)})


def _setup(max_new_tokens: int) -> TrainingSetup:
    return TrainingSetup(
        label="grpo",
        algorithm=AlgorithmParameters.model_validate(
            {"kind": "grpo", "clip_low": 0.2, "clip_high": 0.2}
        ).root,
        training=TrainingConfig(
            algorithms=("grpo",),
            num_phases=1,
            rounds_per_phase=1000,
            prompts_per_round=NUM_PROMPTS,
            group_size=GROUP_SIZE,
            num_mini_batches=1,
            sampling=SamplingConfig(max_new_tokens=max_new_tokens),
            optimizer=OptimizerConfig(learning_rate=LEARNING_RATE),
        ),
        rewards=MathRewardConfig(convention="boxed"),
        seed=0,
        adapter_seed=0,
    )


def _num_tokens(result: RoundResult) -> int:
    return sum(len(r.completion.token_ids) for cycle in result.cycles for r in cycle.rollouts)


def _say(message: dict[str, float]) -> None:
    print(f"#{json.dumps(message)}", flush=True)


if __name__ == "__main__":
    main()
