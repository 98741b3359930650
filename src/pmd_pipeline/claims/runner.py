"""Runs units: initial policy, training by the package's own code, evaluations."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from pmd_pipeline.claims.initial_policies import InitialPolicies
from pmd_pipeline.claims.problem_sets import ProblemSets, problem_sets
from pmd_pipeline.claims.results import Evaluation, GroupShift, UnitResult
from pmd_pipeline.claims.shifts import group_shifts
from pmd_pipeline.claims.units import Unit, digest
from pmd_pipeline.config.claims import ClaimsError
from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.eager_engine import EagerEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.loading import load_tokenizer
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.problems.prompts import table_to_prompts
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards import RewardFunction
from pmd_pipeline.rewards.choice import reward_for
from pmd_pipeline.rewards.length_penalty import length_penalty_of
from pmd_pipeline.rollouts.collect import collect_rollouts
from pmd_pipeline.seeds import derive_seed
from pmd_pipeline.training.round_metrics import round_metrics
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import Trainer, start_trainer
from pmd_pipeline.training.update import NonFiniteUpdateError


class UnitRunner:
    """Runs one unit after the other in this process.

    Args:
        folder: Of the initial policies.
    """

    def __init__(self, folder: Path) -> None:
        self._initial_policies = InitialPolicies(folder)
        self._engine = TransformersEngine(TransformersEngineConfig())
        # For units with lag: another process beside each worker would need a core of its own.
        self._eager_engine = EagerEngine(TransformersEngineConfig())
        self._problems: dict[str, ProblemSets] = {}

    def run(self, unit: Unit) -> UnitResult:
        """Return what a unit finds.

        A loss or gradient that is not finite ends the training: the evaluations that are left then
        count no response as right.

        Raises:
            ClaimsError: If its reward does not tell right from wrong.
        """
        has_lag = unit.experiment.training.lag > 0
        engine = self._eager_engine if has_lag else self._engine
        return _Run(unit, engine, self._problems_of(unit), self._initial_policies).result()

    def _problems_of(self, unit: Unit) -> ProblemSets:
        experiment = unit.experiment
        key = digest(
            {
                "seed": experiment.seed,
                "data": experiment.data_preparation.model_dump(mode="json"),
                "policy": experiment.policy_initialisation.model_dump(mode="json"),
                "round": experiment.training.prompts_per_round,
                "on_validation": unit.on_validation,
            }
        )
        if key not in self._problems:
            self._problems[key] = problem_sets(
                experiment,
                load_tokenizer(experiment.policy_initialisation),
                on_validation=unit.on_validation,
            )
        return self._problems[key]


class _Run:
    """One unit, from its initial policy to its record."""

    def __init__(
        self,
        unit: Unit,
        engine: RolloutEngine,
        problems: ProblemSets,
        initial_policies: InitialPolicies,
    ) -> None:
        self._unit = unit
        self._engine = engine
        self._problems = problems
        self._initial_policies = initial_policies
        self._reward: RewardFunction = reward_for(unit.experiment.rewards)
        self._evaluations: list[Evaluation] = []
        self._rounds: list[dict[str, float]] = []
        self._groups: list[GroupShift] = []
        self._cpu: defaultdict[str, float] = defaultdict(float)
        self._wall: defaultdict[str, float] = defaultdict(float)

    def result(self) -> UnitResult:
        unit, training = self._unit, self._unit.experiment.training
        setup = TrainingSetup(
            label=unit.label,
            algorithm=unit.algorithm,
            training=training,
            rewards=unit.experiment.rewards,
            seed=unit.seeds.training,
            adapter_seed=unit.seeds.warm_start,
        )
        with self._timed("warm_start"):
            start = self._initial_policies.policy(
                unit, held_out=frozenset(self._problems.evaluation["problem"])
            )
        diverged_in: int | None = None
        with closing(start_trainer(start, setup, unit.experiment.compute, self._engine)) as trainer:
            prompts = table_to_prompts(self._problems.evaluation, trainer.whole_policy().tokenizer)
            with self._timed("evaluation"):
                self._evaluations.append(
                    self._initial_policies.evaluation(
                        unit, lambda: self._evaluate(trainer.whole_policy(), prompts, 0)
                    )
                )
            try:
                self._train(trainer, setup, prompts)
            except NonFiniteUpdateError:
                diverged_in = len(self._rounds) + 1
        for phase in range(len(self._evaluations), training.num_phases + 1):
            self._evaluations.append(
                Evaluation(
                    round=phase * training.rounds_per_phase,
                    num_right=(0,) * len(prompts),
                    num_samples=unit.experiment.evaluation.num_samples,
                )
            )
        return UnitResult(
            settings=unit.settings(),
            seeds=unit.seeds,
            problem_ids=tuple(prompt.problem_id for prompt in prompts),
            evaluations=tuple(self._evaluations),
            rounds=tuple(self._rounds),
            groups=tuple(self._groups),
            diverged_in_round=diverged_in,
            cpu_seconds=dict(self._cpu),
            wall_seconds=dict(self._wall),
        )

    def _train(self, trainer: Trainer, setup: TrainingSetup, prompts: list[Prompt]) -> None:
        training = setup.training
        tokenizer = trainer.whole_policy().tokenizer
        rounds = run_rounds(
            trainer,
            self._engine,
            table_to_prompts(self._problems.train, tokenizer),
            setup,
            self._reward,
            first_round=0,
            last_round=training.num_rounds,
        )
        for index in range(1, training.num_rounds + 1):
            before = self._cpu["training"]
            with self._timed("training"):
                result = next(rounds)
            cpu_seconds = self._cpu["training"] - before
            self._rounds.append({**asdict(round_metrics(result)), "cpu_seconds": cpu_seconds})
            if index == 1:  # the groups of all rounds would be most of the record
                self._groups += group_shifts(result, setup)
            if index % training.rounds_per_phase == 0:
                with self._timed("evaluation"):
                    self._evaluations.append(self._evaluate(trainer.whole_policy(), prompts, index))

    def _evaluate(self, policy: Policy, prompts: list[Prompt], round_index: int) -> Evaluation:
        """All arms of a pair answer with the same random numbers."""
        config = self._unit.experiment.evaluation
        rollouts = collect_rollouts(
            self._engine,
            policy,
            prompts,
            num_samples=config.num_samples,
            sampling=config.sampling,
            seeds=[
                derive_seed(self._unit.seeds.warm_start, "evaluation", prompt.problem_id)
                for prompt in prompts
            ],
            reward=self._reward,
            length_penalty=length_penalty_of(self._unit.experiment.rewards),
        ).rollouts
        if any(rollout.correct is None for rollout in rollouts):
            raise ClaimsError(
                f"rewards.kind {self._unit.experiment.rewards.kind} does not tell right from "
                "wrong, and claims compare accuracies; choose a reward that does"
            )
        num_right = Counter(rollout.problem_id for rollout in rollouts if rollout.correct)
        return Evaluation(
            round=round_index,
            num_right=tuple(num_right[prompt.problem_id] for prompt in prompts),
            num_samples=config.num_samples,
        )

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self._cpu[kind] += time.process_time() - cpu
            self._wall[kind] += time.perf_counter() - wall
