"""What a model card is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.metrics.best_policy import BestPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptExample:
    """How a problem was put to the policy.

    Attributes:
        text: The whole prompt, ``{problem}`` in the place of the problem's text.
        has_special_tokens: True when the text holds its special tokens already.
    """

    text: str
    has_special_tokens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What is known of a policy that a run has trained and evaluated.

    Attributes:
        name: Of the exported folder.
        experiment: The parameters that the run was made with.
        run: Which training it comes from.
        round_index: Complete rounds of it, from 1.
        scores: What this policy and the initial one scored: ``comparison_by_seed.csv``, rows of
            this training run at this round and at round 0.
        means: The same over all training seeds of the algorithm: ``comparison.csv``.
        used: What its rounds have used: one row of ``metrics.budgets``, by column.
        data_report: Counts of data preparation.
        source_digests: SHA-256 of each local problem file, by its parameter.
        prompt: How problems are put to it; None where no problem shows it, as all are chats.
        num_parameters: Of the exported model.
        dtype: Of its weights.
        checksum: Of the stored policy, as MLflow's logged model has it.
        weights: SHA-256 of each exported weight file, by its name.
        created: When the run began that has trained it.
        commit: Of the project's checkout at the time of the export; None if it is none.
        versions: Of Python and packages at that time.
        choice: How it was chosen among others by these results; None if it was not.
        chosen_by: The evaluation sets whose scores decided; empty if it was not chosen.
    """

    name: str
    experiment: ExperimentConfig
    run: TrainingRun
    round_index: int
    scores: pd.DataFrame
    means: pd.DataFrame
    used: Mapping[str, Any]
    data_report: Mapping[str, Any]
    source_digests: Mapping[str, str]
    prompt: PromptExample | None
    num_parameters: int
    dtype: str
    checksum: str
    weights: Mapping[str, str]
    created: str
    commit: str | None
    versions: Mapping[str, str]
    choice: BestPolicy | None = None
    chosen_by: tuple[str, ...] = ()

    @property
    def num_rivals(self) -> int:
        """How many other policies it was chosen before."""
        return 0 if self.choice is None else self.choice.num_candidates - 1
