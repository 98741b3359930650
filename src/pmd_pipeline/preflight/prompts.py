"""The prompts: the chat template of the policy's tokenizer takes the data's without a loss."""

from collections.abc import Iterator

from pmd_pipeline.config.data_preparation import TRAIN_SET
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.policies.model_folder import PolicyLoadError
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.hub import Hub
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.prompts import PromptRenderer
from pmd_pipeline.problems.sources import first_problem
from pmd_pipeline.records import Problem

SECTION = "Prompts"


def check_prompts(experiment: ExperimentConfig, hub: Hub, *, is_pinned: bool) -> list[Finding]:
    """Render one problem of each set with a pretrained policy's tokenizer, if that is in reach.

    It is the set's first problem where that can be had here, else a made-up one.

    Args:
        experiment: The parameters.
        hub: Asked whether a hub model is within reach.
        is_pinned: False where the hub model's revision is a placeholder.
    """
    policy = experiment.policy_initialisation.policy
    if not isinstance(policy, PretrainedPolicyConfig):
        return []
    if policy.hub_name is not None and not (
        is_pinned and hub.look_up(policy.hub_name, "model", policy.revision).is_reachable
    ):
        return []  # the model's own finding says so
    # With torch and all of transformers.
    from pmd_pipeline.policies.loading import load_tokenizer

    try:
        tokenizer = load_tokenizer(experiment.policy_initialisation)
    except PolicyLoadError as error:
        return [_finding("tokenizer", "not usable", remedy=str(error))]
    try:
        render = PromptRenderer(tokenizer, experiment.data_preparation)
        for problem in _problems(experiment):
            render(problem)
    except ValueError as error:
        return [_finding("chat template", "a prompt cannot be made", remedy=str(error))]
    how = "the tokenizer's chat template" if render.uses_chat else "plain text"
    return [Finding(section=SECTION, subject="prompts", value=f"as {how}", verdict="ok")]


def _problems(experiment: ExperimentConfig) -> Iterator[Problem]:
    for name in experiment.data_preparation.set_names():
        try:
            problem = first_problem(
                experiment.data_preparation, seed=experiment.seed, set_name=name
            )
        except ProblemSourceError:
            problem = None  # the data's own finding says why
        yield problem or Problem(
            problem_id="made up",
            problem="What is 1 + 1?",
            answer="2",
            source=name,
            split="train" if name == TRAIN_SET else "eval",
        )


def _finding(subject: str, value: str, remedy: str) -> Finding:
    return Finding(section=SECTION, subject=subject, value=value, verdict="failure", remedy=remedy)
