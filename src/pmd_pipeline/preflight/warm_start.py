"""The embedded policy's warm start: its demonstrations fit, and it can reach what is wanted."""

from collections.abc import Iterator

from pmd_pipeline.config.data_preparation import TRAIN_SET, GeneratedAdditionSource
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.policy import EmbeddedPolicyConfig
from pmd_pipeline.preflight.findings import Finding, Verdict
from pmd_pipeline.problems.tasks.choice import task_of
from pmd_pipeline.problems.tasks.guesses import guess_share_of_demonstrator
from pmd_pipeline.problems.tasks.task import DemonstratedTask, longest_demonstration, mistakes_of

SECTION = "Warm start"
_KEY = "policy_initialisation.policy"


def check_warm_start(experiment: ExperimentConfig) -> list[Finding]:
    """Compare the longest demonstration with what the run allows; nothing for other policies."""
    policy = experiment.policy_initialisation.policy
    if not isinstance(policy, EmbeddedPolicyConfig):
        return []
    task = task_of(experiment.data_preparation.train)
    findings = [
        *_check_lengths(experiment, policy, task),
        *_check_widths(experiment),
        *_check_pass_rate(policy, task, experiment.seed),
    ]
    return findings or [_finding("demonstrations", "fit into prompts and responses", "ok")]


def _check_lengths(
    experiment: ExperimentConfig, policy: EmbeddedPolicyConfig, task: DemonstratedTask
) -> Iterator[Finding]:
    longest = longest_demonstration(task)
    allowed = experiment.data_preparation.max_prompt_tokens
    if longest.num_prompt_tokens > allowed:
        yield _finding(
            "longest prompt",
            f"{longest.num_prompt_tokens} tokens, data_preparation.max_prompt_tokens is {allowed}",
            "warning",
            "longer prompts are dropped, and the warm start demonstrates them for nothing: raise "
            "max_prompt_tokens, or choose shorter problems",
        )
    sampled = {
        "training.sampling.max_new_tokens": experiment.training.sampling.max_new_tokens,
        "evaluation.sampling.max_new_tokens": experiment.evaluation.sampling.max_new_tokens,
    }
    for key, allowed in sampled.items():
        if longest.num_response_tokens > allowed:
            yield _finding(
                "longest response",
                f"{longest.num_response_tokens} tokens, {key} is {allowed}",
                "warning",
                "the policy's working is cut off before its answer, and wrong: raise it",
            )
    needed = longest.num_prompt_tokens + max(longest.num_response_tokens, *sampled.values())
    if needed > policy.max_position:
        yield _finding(
            "positions",
            f"{policy.max_position}, but prompt and response may take {needed}",
            "failure",
            f"raise {_KEY}.max_position, or lower max_new_tokens",
        )


def _check_widths(experiment: ExperimentConfig) -> Iterator[Finding]:
    """Yield a warning for evaluation sets with operands that are not demonstrated."""
    data = experiment.data_preparation
    if not isinstance(data.train, GeneratedAdditionSource):
        return
    for name, source in data.evals.items():
        if not isinstance(source, GeneratedAdditionSource):
            continue
        others = sorted({*source.operand_widths} - {*data.train.operand_widths})
        if others:
            yield _finding(
                name,
                f"operands of {others} digits, which {data.key_of(TRAIN_SET)} has not",
                "warning",
                "the policy is neither warm-started nor trained on them: give both sets the same "
                "difficulty, unless that is what is to be tested",
            )


def _check_pass_rate(
    policy: EmbeddedPolicyConfig, task: DemonstratedTask, seed: int
) -> Iterator[Finding]:
    wanted = policy.warm_start.wanted_pass_rate
    if wanted is None:
        return
    try:
        share = guess_share_of_demonstrator(wanted, task, mistakes_of(policy.warm_start), seed=seed)
    except ValueError as error:
        yield _finding("pass rate", f"{wanted:g} cannot be reached", "failure", str(error))
    else:
        yield _finding("pass rate", f"{wanted:g}, by guessing {share:.0%} of the time", "ok")


def _finding(subject: str, value: str, verdict: Verdict, remedy: str = "") -> Finding:
    return Finding(section=SECTION, subject=subject, value=value, verdict=verdict, remedy=remedy)
