"""Everything that determines a training, in one record."""

from dataclasses import dataclass
from typing import Literal

from pmd_pipeline.config.algorithms import AnyAlgorithmConfig, RefillConfig
from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.overrides import group_size_of, num_mini_batches_of, optimizer_of
from pmd_pipeline.config.rewards import AnyRewardConfig
from pmd_pipeline.config.training import (
    OptimizerConfig,
    TrainingConfig,
    micro_batch_tokens_on,
)

# Of `measured_rollouts: sample`.
ONE_GROUP_IN = 4

# Where behaviour log-probs come from; "own": as long as the policy is the one that sampled, those
# of an update's own forward pass.
BehaviourSource = Literal["trainer", "sampler", "own_then_sampler", "own_then_trainer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetup:
    """One training run: what all share, and its own.

    Attributes:
        label: The algorithm's name in this experiment.
        algorithm: Its configuration, which overrides ``training``'s settings.
        training: What all algorithms share.
        rewards: Which reward, and the length penalty.
        seed: The training seed, which decides rollouts, order of prompts and mini-batches; the
            label plays no part, so all algorithms of a seed see the same prompts in the same order.
        adapter_seed: The experiment's ``seed``, which decides a fresh adapter: all training runs
            begin with the same.
    """

    label: str
    algorithm: AnyAlgorithmConfig
    training: TrainingConfig
    rewards: AnyRewardConfig
    seed: int
    adapter_seed: int

    @property
    def name(self) -> str:
        """What messages call the training run: with its training seed, if there are several."""
        several = len(self.training.seeds) > 1
        return f"{self.label}, seed {self.seed}" if several else self.label

    @property
    def group_size(self) -> int:
        """Rollouts per prompt."""
        return group_size_of(self.training, self.algorithm)

    @property
    def num_mini_batches(self) -> int:
        """Optimizer updates per round."""
        return num_mini_batches_of(self.training, self.algorithm)

    @property
    def optimizer(self) -> OptimizerConfig:
        """The optimizer with this algorithm's learning rate."""
        return optimizer_of(self.training, self.algorithm)

    @property
    def is_packed(self) -> bool:
        """Whether no padding is computed; False while ``auto`` is undecided: `decide_by_device`."""
        return self.training.packing is True

    @property
    def micro_batch_tokens(self) -> int:
        """Tokens of a backward pass; a GPU's while ``auto`` is undecided: `decide_by_device`."""
        return micro_batch_tokens_on(self.training.micro_batch_tokens, is_gpu=True)

    @property
    def num_cycles(self) -> int:
        """Sample-then-update cycles per round: one, or one per update when on policy.

        With as many mini-batches as the other algorithms, which `comparison.equal` asks for, an
        on-policy round sees as many prompts and makes as many updates as theirs, each update on
        fresh samples: the steps that the paper divides by 16 are counted by round here.
        """
        return self.num_mini_batches if self.algorithm.resamples_each_mini_batch else 1

    @property
    def prompts_per_cycle(self) -> int:
        """Prompts whose groups a cycle's updates use, unless a filter leaves fewer."""
        return self.training.prompts_per_round // self.num_cycles

    @property
    def refill(self) -> RefillConfig | None:
        """How rounds are filled where the prompt filter drops groups; None: they are not."""
        bounds = self.algorithm.prompt_filter
        return None if bounds is None else bounds.refill

    @property
    def updates_per_cycle(self) -> int:
        """Optimizer updates on the samples of one cycle."""
        return self.num_mini_batches // self.num_cycles

    def behaviour_source(self, *, runs_policy_model: bool, precision: Precision) -> BehaviourSource:
        """Return where the behaviour log-probs of a round come from.

        With ``auto`` a mini-batch that meets the policy as it was when it sampled takes those of
        its own forward pass; the others the sampler's, where these are the trainer's but for
        rounding, or else those of a pass of the trainer before the first update.

        Args:
            runs_policy_model: Whether the engine samples with the policy's own model.
            precision: Of the policy's matrix products.
        """
        training = self.training
        if training.behaviour_log_probs != "auto":
            return training.behaviour_log_probs
        is_exact = (
            runs_policy_model and precision == "float32" and training.sampling.keeps_full_support
        )
        # Importance weights compare the sampler's log-probs with the trainer's.
        takes_sampler = is_exact and training.importance_weights is None
        return "own_then_sampler" if takes_sampler else "own_then_trainer"

    def staleness_rounds(self, round_index: int) -> int:
        """Return how many rounds ago the policy was that a round (from 0) is sampled from.

        A phase's first round samples afresh, so that no evaluation meets work that is ahead.
        """
        return min(self.training.lag, round_index % self.training.rounds_per_phase)

    def rounds_ahead(self, round_index: int) -> range:
        """Return the rounds, this one first, that are sampled when it begins, or were before."""
        per_phase = self.training.rounds_per_phase
        phase_end = (round_index // per_phase + 1) * per_phase
        return range(round_index, min(phase_end, round_index + self.training.lag + 1))

    @property
    def stale_behaviour_source(self) -> BehaviourSource:
        """Where the behaviour log-probs of rollouts come from that an older policy has sampled.

        The trainer does not have that policy any more. The sampler has its log-probs; or, with
        importance weights, updates compare with the policy at the round's start, and the weights
        correct for the rest.
        """
        return "sampler" if self.training.importance_weights is None else "trainer"

    def recomputed_fraction(self, source: BehaviourSource) -> float:
        """Return the share of a round's rollouts in the pass before the first update."""
        if source == "own_then_trainer":
            return 1 - 1 / self.updates_per_cycle
        return 1.0 if source == "trainer" else 0.0

    @property
    def measured_fraction(self) -> float:
        """The share of a round's rollouts that are measured after the updates."""
        match self.training.measured_rollouts:
            case "round":
                return 1.0
            case "sample":
                return 1 / ONE_GROUP_IN
            case "last_mini_batch":
                return 1 / self.updates_per_cycle
