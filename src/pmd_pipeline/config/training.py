"""The rounds of training that every algorithm shares."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.effects import LAST_DIGITS, ChangesNoResult, Extends
from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.config.names import Label
from pmd_pipeline.config.sampling import SamplingConfig

_LARGEST_SEED = 2**63 - 1  # a column of tables

# A GPU wants large products. On a CPU what a layer makes of 2,048 tokens still lies in its caches.
_GPU_MICRO_BATCH_TOKENS = 16_384
_CPU_MICRO_BATCH_TOKENS = 2048


def micro_batch_tokens_on(configured: int | Literal["auto"], *, is_gpu: bool) -> int:
    """Return ``training.micro_batch_tokens`` for a device."""
    if configured != "auto":
        return configured
    return _GPU_MICRO_BATCH_TOKENS if is_gpu else _CPU_MICRO_BATCH_TOKENS


class OptimizerConfig(StrictModel):
    """AdamW, its learning-rate schedule and gradient clipping."""

    learning_rate: float = Field(gt=0, le=1, description="the highest")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=(0.9, 0.95), description="decay rates of the first and of the second moment"
    )
    epsilon: float = Field(default=1e-8, gt=0, description="added to the root of the second moment")
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="times the learning rate: the share of a weight that each update takes off",
    )
    num_warmup_updates: int = Field(default=0, ge=0, description="linear, from 0")
    decay: Literal["constant", "linear", "cosine"] = Field(
        default="constant", description="of the learning rate, per round, over all rounds"
    )
    final_fraction: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="last learning rate divided by the highest",
    )
    max_gradient_norm: float = Field(
        default=1.0, gt=0, description="longer gradients are scaled down to it"
    )
    reset_every_rounds: int | None = Field(
        default=None, ge=1, description="reset the optimizer's moments every this many rounds"
    )


class ImportanceWeightConfig(StrictModel):
    """Truncated importance weights, to correct for a sampler that differs from the trainer."""

    level: Literal["token", "sequence"] = Field(
        default="sequence", description="token: only for losses on tokens (GRPO, policy gradient)"
    )
    cap: float = Field(default=2.0, gt=0, description="largest weight")


class TrainingConfig(StrictModel):
    """Section ``training`` of the parameters: what all algorithms share."""

    algorithms: Annotated[
        tuple[Label, ...],
        Extends(effect="those that are trained stay as they are; the report is drawn again"),
    ] = Field(
        min_length=1, description="labels of the section `algorithms` to train, in this order"
    )
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, le=_LARGEST_SEED)], ...],
        Extends(effect="the seeds that are trained stay as they are; the report is drawn again"),
    ] = Field(
        default=(0,),
        min_length=1,
        description="each algorithm is trained once with each; a training seed decides rollouts, "
        "order of prompts and mini-batches",
    )
    num_phases: Annotated[
        int,
        Extends(
            effect="the phases that are done stay as they are",
            needs=("training.optimizer.decay", "constant"),
            otherwise="the learning rate falls over all rounds, so those that are done would have "
            "had another one in a training of this length; keep the number, or train again with "
            "--overwrite (with decay: constant, a training can be made longer later)",
        ),
    ] = Field(ge=1, description="the policy is evaluated after each phase")
    rounds_per_phase: int = Field(ge=1, description="rounds between two evaluations")
    prompts_per_round: int = Field(
        ge=1, description="prompts that a round samples from, each group_size times"
    )
    group_size: int = Field(ge=1, description="n: rollouts per prompt")
    num_mini_batches: int = Field(ge=1, description="optimizer updates per round")
    sampling: SamplingConfig
    optimizer: OptimizerConfig
    micro_batch_tokens: Annotated[
        Literal["auto"] | Annotated[int, Field(ge=1)], ChangesNoResult(bytes=LAST_DIGITS)
    ] = Field(
        default="auto",
        description="tokens of one backward pass, padding included; no effect on the gradient; "
        f"auto: {_GPU_MICRO_BATCH_TOKENS} on a GPU, {_CPU_MICRO_BATCH_TOKENS} on a CPU",
    )
    packing: Annotated[Literal["auto"] | bool, ChangesNoResult(bytes=LAST_DIGITS)] = Field(
        default="auto",
        description="compute no padding; auto: on a GPU in bfloat16, if the model allows it",
    )
    gradient_checkpointing: Annotated[bool, ChangesNoResult(bytes=LAST_DIGITS)] = Field(
        default=False,
        description="compute activations again in the backward pass: less memory, more time",
    )
    lora: LoraConfig | None = Field(
        default=None, description="train adapters on the frozen initial policy; null: all weights"
    )
    behaviour_log_probs: Literal["auto", "trainer", "sampler"] = Field(
        default="auto",
        description="auto: a mini-batch's own until the round has moved the policy, then the "
        "sampler's if they are exact, or else the trainer's; trainer: all computed before the "
        "first mini-batch; sampler: as sampled",
    )
    importance_weights: ImportanceWeightConfig | None = Field(
        default=None,
        description="correct for a sampler that differs from the trainer; null: no correction",
    )
    lag: int = Field(
        default=0,
        ge=0,
        description="rounds that sampling is ahead of training: a round's rollouts are sampled "
        "from the policy of so many rounds before, while others are trained; 0: each round samples "
        "from the policy that it then trains",
    )
    measured_rollouts: Literal["sample", "last_mini_batch", "round"] = Field(
        default="sample",
        description="whose log-ratios are measured after the round's last update; sample: every "
        "fourth group's",
    )

    @property
    def num_rounds(self) -> int:
        """Rounds over all phases."""
        return self.num_phases * self.rounds_per_phase

    @property
    def weighs_stale_rollouts(self) -> bool:
        """Whether importance weights correct for rollouts of the policy of rounds before."""
        return self.lag > 0 and self.importance_weights is not None

    @field_validator("algorithms", mode="before")
    @classmethod
    def _labels_from_one_text(cls, labels: Any) -> Any:
        """Accept ``pmd_mean+grpo`` as a list, because ``--params`` splits at commas."""
        return tuple(labels.split("+")) if isinstance(labels, str) else labels

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds_from_one_text(cls, seeds: Any) -> Any:
        """Accept ``0+1+2`` as a list, and one number, because ``--params`` splits at commas."""
        if isinstance(seeds, str):
            return tuple(seeds.split("+"))
        return (seeds,) if isinstance(seeds, int) else seeds

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.algorithms)) != len(self.algorithms):
            raise ValueError(f"algorithms names a label twice: {list(self.algorithms)}")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(
                f"seeds names a training seed twice: {list(self.seeds)}; the second training would "
                "be the first again"
            )
        if self.behaviour_log_probs == "sampler" and not self.sampling.keeps_full_support:
            raise ValueError(
                "behaviour_log_probs: sampler needs top_p 1 and top_k 0 (found top_p "
                f"{self.sampling.top_p}, top_k {self.sampling.top_k}): the sampler's log-probs are "
                "those of a truncated distribution, the trainer's of the full one, and their ratio "
                "would be wrong; use behaviour_log_probs: auto"
            )
        if self.behaviour_log_probs == "sampler" and self.importance_weights is not None:
            raise ValueError(
                "importance_weights compares the trainer's log-probs with the sampler's and needs "
                "both; use behaviour_log_probs: auto, or trainer"
            )
        if self.lag > 0 and not self.sampling.keeps_full_support:
            raise ValueError(
                f"lag {self.lag} needs top_p 1 and top_k 0 (found top_p {self.sampling.top_p}, "
                f"top_k {self.sampling.top_k}): updates compare the policy with the one that "
                "sampled, whose log-probs the sampler alone knows then, and it has those of a "
                "truncated distribution; use lag: 0"
            )
        if self.lag > 0 and self.rounds_per_phase == 1:
            raise ValueError(
                f"lag {self.lag} has no effect with rounds_per_phase 1: a phase's first round "
                "samples afresh, so that no evaluation meets rollouts that are ahead; use longer "
                "phases, or lag: 0"
            )
        if (
            self.lag > 0
            and self.behaviour_log_probs == "trainer"
            and self.importance_weights is None
        ):
            raise ValueError(
                f"lag {self.lag} with behaviour_log_probs: trainer would take stale rollouts for "
                "fresh ones: the trainer has only the policy of now. Use behaviour_log_probs: "
                "auto, which compares with the policy that sampled, or set importance_weights, "
                "which weigh each rollout by how likely it is now against then"
            )
        if self.importance_weights is not None and not self.sampling.keeps_full_support:
            raise ValueError(
                "importance_weights needs top_p 1 and top_k 0, so that trainer and sampler "
                "have the same support"
            )
        return self
