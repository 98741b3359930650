"""A round computes what it needs, and no log-prob twice."""

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from helpers import make_algorithm, make_setup
from torch import Tensor

from pmd_pipeline.config.algorithms import AnyAlgorithmConfig
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.log_probs import TokenLogProbs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rollouts.batch import RolloutBatch
from pmd_pipeline.training.round import RoundResult, run_round
from pmd_pipeline.training.round_metrics import round_metrics
from pmd_pipeline.training.round_table import round_to_table
from pmd_pipeline.training.trainer import LocalTrainer
from pmd_pipeline.training.update import TrainingBatch, UpdateResult

NUM_PROMPTS, GROUP_SIZE = 8, 4
NUM_ROLLOUTS = NUM_PROMPTS * GROUP_SIZE


class Reward:
    """Every second response is right, unless its prompt has no signal."""

    def __init__(self, *, without_signal: Sequence[str] = ()) -> None:
        self.without_signal = without_signal

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        return [
            Score(reward=0.1 if prompt.problem_id in self.without_signal else float(i % 2))
            for i, prompt in enumerate(prompts)
        ]

    def close(self) -> None:
        pass


class OtherSampler(TransformersEngine):
    """Samples like an engine with weights of its own."""

    runs_policy_model = False


class CountingTrainer(LocalTrainer):
    """Counts rollouts that pass without an update, and keeps what the updates get."""

    def __init__(self, policy: Policy, setup: object) -> None:
        super().__init__(policy, setup)  # type: ignore[arg-type]
        self.passes: list[int] = []
        self.behaviour: list[Tensor | None] = []

    def log_probs(
        self,
        batch: RolloutBatch,
        mini_batches: Sequence[Tensor] | None = None,
        *,
        with_entropy: bool = False,
    ) -> TokenLogProbs:
        assert mini_batches is not None
        self.passes.append(sum(map(len, mini_batches)))
        return super().log_probs(batch, mini_batches, with_entropy=with_entropy)

    def update(self, batch: TrainingBatch, rows: Tensor, **options: object) -> UpdateResult:  # type: ignore[override]
        known = batch.behaviour_log_probs
        self.behaviour.append(None if known is None else known[rows])
        return super().update(batch, rows, **options)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Run:
    trainer: CountingTrainer
    result: RoundResult


def run(
    policy: Policy,
    algorithm: AnyAlgorithmConfig | None = None,
    *,
    engine: TransformersEngine | None = None,
    reward: Reward | None = None,
    **training: object,
) -> Run:
    setup = make_setup(
        algorithm or make_algorithm(),
        **{"prompts_per_round": NUM_PROMPTS, "group_size": GROUP_SIZE, **training},
    )
    trainer = CountingTrainer(policy, setup)
    prompts = [
        Prompt(
            problem_id=str(i),
            token_ids=tuple(policy.tokenizer(f"{i}+{i}?")["input_ids"]),
            answer="3",
            problem="",
        )
        for i in range(NUM_PROMPTS)
    ]
    engine = engine or TransformersEngine(TransformersEngineConfig())
    return Run(
        trainer, run_round(trainer, engine, prompts, setup, reward or Reward(), round_index=0)
    )


def other_sampler() -> OtherSampler:
    return OtherSampler(TransformersEngineConfig())


@pytest.mark.parametrize("num_mini_batches", [1, 4])
def test_a_sampler_with_the_trainers_model_leaves_nothing_to_compute_but_what_is_measured(
    tiny_policy: Policy, num_mini_batches: int
) -> None:
    made = run(tiny_policy, num_mini_batches=num_mini_batches)
    assert made.trainer.passes == [NUM_ROLLOUTS / 4]
    own, *later = made.trainer.behaviour
    assert own is None
    sampled = np.concatenate(
        [rollout.completion.log_probs for rollout in made.result.cycles[0].rollouts]
    )
    taken = [known[known != 0] for known in later if known is not None]
    assert len(taken) == num_mini_batches - 1
    if taken:
        assert torch.cat(taken).tolist() == sampled[-len(torch.cat(taken)) :].tolist()


@pytest.mark.parametrize(
    "way",
    [
        {"engine": other_sampler()},
        {"sampling": SamplingConfig(max_new_tokens=12, top_k=20)},
        {"importance_weights": {"level": "sequence", "cap": 2.0}},
    ],
    ids=["other sampler", "cut distribution", "importance weights"],
)
@pytest.mark.parametrize("num_mini_batches", [1, 4])
def test_where_the_sampler_is_not_exact_one_pass_computes_all_but_the_first_mini_batch(
    tiny_policy: Policy, way: dict[str, object], num_mini_batches: int
) -> None:
    made = run(tiny_policy, num_mini_batches=num_mini_batches, measured_rollouts="round", **way)  # type: ignore[arg-type]
    before = NUM_ROLLOUTS * (num_mini_batches - 1) // num_mini_batches
    assert made.trainer.passes == [passed for passed in (before, NUM_ROLLOUTS) if passed]
    assert made.trainer.behaviour[0] is None
    assert all(known is not None for known in made.trainer.behaviour[1:])


def test_bfloat16_products_are_not_exact(tiny_policy: Policy) -> None:
    tiny_policy.precision = "bfloat16"
    made = run(tiny_policy, num_mini_batches=4)
    assert made.trainer.passes == [NUM_ROLLOUTS * 3 / 4, NUM_ROLLOUTS / 4]


def test_an_on_policy_round_computes_nothing_before_its_updates(tiny_policy: Policy) -> None:
    algorithm = make_algorithm(kind="on_policy_gradient")
    made = run(tiny_policy, algorithm, engine=other_sampler(), num_mini_batches=4)
    assert made.trainer.behaviour == [None] * 4
    assert made.trainer.passes == [GROUP_SIZE] * 4  # one group of two after each


def test_nothing_is_computed_before_a_policy_moves_nor_after_one_that_has_not(
    tiny_policy: Policy,
) -> None:
    """The second mini-batch meets the policy that sampled it, as the first has no signal."""
    first = Reward(without_signal=["0", "1"])
    made = run(tiny_policy, engine=other_sampler(), reward=first, num_mini_batches=4)
    assert made.result.num_skipped_updates == 1
    assert [known is None for known in made.trainer.behaviour] == [True, True, False, False]
    assert made.trainer.passes == [NUM_ROLLOUTS / 2, NUM_ROLLOUTS / 4]

    none = Reward(without_signal=[str(i) for i in range(NUM_PROMPTS)])
    made = run(tiny_policy, engine=other_sampler(), reward=none, num_mini_batches=4)
    assert made.trainer.passes == []
    ratios = made.result.cycles[0].sequence_log_ratios
    assert sorted(ratios[~np.isnan(ratios)]) == [0.0] * (NUM_ROLLOUTS // 4)


@pytest.mark.parametrize("kind", ["pmd_mean", "pmd_part", "grpo", "gspo", "on_policy_gradient"])
def test_an_own_forward_pass_gives_the_update_of_a_pass_before_it(
    tiny_policy: Policy, kind: str
) -> None:
    """To the bit in the first mini-batch, and to the sampler's rounding in the others."""
    twin = Policy(model=copy.deepcopy(tiny_policy.model), tokenizer=tiny_policy.tokenizer)
    auto = run(tiny_policy, make_algorithm(kind=kind), micro_batch_tokens=60, num_mini_batches=4)
    trainer = run(
        twin,
        make_algorithm(kind=kind),
        micro_batch_tokens=60,
        num_mini_batches=4,
        behaviour_log_probs="trainer",
    )
    first, *others = zip(auto.result.updates, trainer.result.updates, strict=True)
    assert first[0] == first[1]
    for found, expected in others:
        assert found.loss == pytest.approx(expected.loss, rel=1e-3, abs=1e-5)
        assert found.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-3)
        assert found.num_clip_units == expected.num_clip_units


@pytest.mark.parametrize("level", ["sequence", "token"])
def test_importance_weights_compare_the_sampler_with_an_own_forward_pass_as_well(
    tiny_policy: Policy, level: str
) -> None:
    """Sampled at the logits of before, the policy has weights far from 1."""
    twin = Policy(model=copy.deepcopy(tiny_policy.model), tokenizer=tiny_policy.tokenizer)

    class StaleSampler(OtherSampler):
        def publish(self, policy: Policy) -> int:
            torch.manual_seed(0)
            old = copy.deepcopy(policy.model)
            head = old.get_output_embeddings().weight
            head.data += 0.3 * torch.randn(head.shape)
            return super().publish(dataclasses.replace(policy, model=old))

    found = []
    for policy, source in ((tiny_policy, "auto"), (twin, "trainer")):
        made = run(
            policy,
            make_algorithm(kind="grpo", baseline="mean"),
            engine=StaleSampler(TransformersEngineConfig()),
            num_mini_batches=1,
            behaviour_log_probs=source,
            importance_weights={"level": level, "cap": 2.0},
        )
        found.append(made.result.updates[0])
    assert found[0] == found[1]
    assert abs(found[0].loss) > 1e-3  # weights of 1 would leave advantages that sum to 0


def test_mismatch_and_entropy_are_those_of_the_first_mini_batch(tiny_policy: Policy) -> None:
    made = run(tiny_policy, num_mini_batches=4)
    metrics, table = round_metrics(made.result), round_to_table(made.result)
    assert 0 < metrics.mismatch_max < 1e-4
    first = table.iloc[: NUM_ROLLOUTS // 4]
    known = table[~table["entropy"].isna()]
    assert known["problem_id"].tolist() == first["problem_id"].tolist()
    assert metrics.entropy == pytest.approx(
        np.average(first["entropy"], weights=first["num_tokens"])
    )
    assert len(made.result.cycles[0].trainer_log_probs) == first["num_tokens"].sum()
    assert not table["behaviour_log_prob"].isna().any()


def test_every_fourth_group_is_measured_after_the_updates(tiny_policy: Policy) -> None:
    made = run(tiny_policy, num_mini_batches=4)
    table = round_to_table(made.result)
    measured = table[~table["sequence_log_ratio"].isna()]
    assert measured["problem_id"].value_counts(sort=False).tolist() == [GROUP_SIZE] * 2
    assert round_metrics(made.result).log_ratio_mean == pytest.approx(
        measured["sequence_log_ratio"].mean(), abs=1e-7
    )


def test_a_filter_leaves_unknown_what_nothing_needs(tiny_policy: Policy) -> None:
    algorithm = make_algorithm(prompt_filter={"low": 0.2})
    dropped = Reward(without_signal=[str(i) for i in range(NUM_PROMPTS - 1)])
    made = run(tiny_policy, algorithm, engine=other_sampler(), reward=dropped)
    table = round_to_table(made.result)
    assert made.trainer.passes == [GROUP_SIZE * 2, GROUP_SIZE * 2]  # what is measured, twice
    is_known = ~table["behaviour_log_prob"].isna()
    is_measured = ~table["sequence_log_ratio"].isna()
    assert is_known[is_measured].all()
    assert is_known.sum() == GROUP_SIZE * 3


def test_trained_tokens_are_those_of_the_rollouts_that_went_through_an_update(
    tiny_policy: Policy,
) -> None:
    """A group without a signal goes through it; one that the prompt filter drops does not."""
    twin = Policy(model=copy.deepcopy(tiny_policy.model), tokenizer=tiny_policy.tokenizer)
    reward = Reward(without_signal=["0", "1", "5"])
    all_groups = run(tiny_policy, reward=reward, num_mini_batches=4)
    kept = make_algorithm(prompt_filter={"low": 0.2})
    filtered = run(twin, kept, reward=reward, num_mini_batches=4)

    rollouts = all_groups.result.cycles[0].rollouts
    tokens = [len(r.prompt_token_ids) + len(r.completion.token_ids) for r in rollouts]
    metrics = round_metrics(all_groups.result)
    assert metrics.num_skipped_updates == 1  # of the first two groups, and it counts all the same
    assert metrics.num_trained_tokens == sum(tokens)
    assert round_metrics(filtered.result).num_trained_tokens == sum(
        number
        for number, rollout in zip(tokens, rollouts, strict=True)
        if rollout.problem_id not in reward.without_signal
    )
    sampled = sum(len(rollout.completion.token_ids) for rollout in rollouts)
    assert (metrics.num_prompts, metrics.num_sampled_tokens) == (NUM_PROMPTS, sampled)
