"""Names that a user gives: they become folders, files, namespaces, tags and columns."""

import re
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, Field

# A file system takes 255 bytes, and names are put together with others.
LONGEST_NAME: Final = 60

# Folders, stages, tags and datasets of the project's own that stand beside those of an algorithm.
_STAGES = (
    "data_preparation policy_initialisation rollout_generation training evaluation theory "
    "reporting study_report evaluate_models model_reporting initial"
)
_DATASETS = (
    "tokenizer parameters seed rollout_engine resume_points problem_files raw_problems "
    "clean_problems uncontaminated_problems decontaminated_problems rendered_problems "
    "train_problems eval_problems data_report "
    "prompt_statistics selected_prompts round_metrics comparison comparison_by_seed gains pairs "
    "problem_scores budgets stage_times stage_time_images learning_curve_images run_state "
    "provenance report model_problem_scores model_scores model_differences model_report"
)
_OWN_NAMES: Final = frozenset(f"{_STAGES} {_DATASETS}".split())
_OWN_PREFIXES: Final = re.compile(r"phase_\d|seed_\d|figure_|theory_|initial_|dropped_by_")


def _not_the_projects_own(label: str) -> str:
    if label in _OWN_NAMES or _OWN_PREFIXES.match(label):
        raise ValueError(
            f"{label!r} is a name of the project's own folders, stages or tables; choose another"
        )
    return label


_OF_TRAINING_RUNS: Final = re.compile(r"(seed|phase)_\d+$")


def refuse_training_run_names(name: str) -> str:
    """Return a name that is no training seed's or phase's.

    Raises:
        ValueError: If it is.
    """
    if _OF_TRAINING_RUNS.match(name):
        raise ValueError(f"{name!r} is how training seeds and phases are named; choose another")
    return name


Label = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME),
    AfterValidator(_not_the_projects_own),
]


def same_file_names(names: Iterable[str]) -> list[str]:
    """Return the first two names that some file systems take for one, empty if there are none."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            return [other, name]
    return []
