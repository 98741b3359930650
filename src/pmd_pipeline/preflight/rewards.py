"""The reward: it can be made, and it scores one made-up response."""

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.rewards import AnyRewardConfig
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.sources import first_problem
from pmd_pipeline.processes.errors import ChildError
from pmd_pipeline.records import Problem, Prompt
from pmd_pipeline.rewards.choice import reward_for
from pmd_pipeline.rewards.imported import RewardNotMadeError

SECTION = "Reward"
MADE_UP_RESPONSE = "A made-up response.\n\nAnswer: \\boxed{2}"
_MADE_UP_PROBLEM = Problem(
    problem_id="made up", problem="What is 1 + 1?", answer="2", source="made up", split="train"
)


def check_reward(experiment: ExperimentConfig) -> list[Finding]:
    """Make the reward and have it score one made-up response.

    The response is one to the first train problem where that can be had here and is of use to the
    reward, so that it sees such metadata as it will get; else to a made-up problem without any, and
    a response that cannot be scored is then a warning alone. The run uses the same reward.
    """
    real = _first_problem(experiment)
    problem = _MADE_UP_PROBLEM if real is None else real
    described = "a made-up problem" if real is None else f"problem {real.problem_id}"
    prompt = Prompt(
        problem_id=problem.problem_id,
        token_ids=(),
        answer=problem.answer or None,
        problem=problem.problem,
        metadata=problem.metadata,
    )
    subject = _name(experiment.rewards)
    try:
        (score,) = reward_for(experiment.rewards)([prompt], [MADE_UP_RESPONSE])
    except (ValueError, ChildError) as error:
        stops = real is not None or isinstance(error, RewardNotMadeError)
        return [
            Finding(
                section=SECTION,
                subject=subject,
                value=f"no score for a made-up response to {described}",
                verdict="failure" if stops else "warning",
                remedy=str(error),
            )
        ]
    verdict = {True: "right", False: "wrong", None: "neither right nor wrong"}[score.correct]
    parts = "".join(f", {name} {value:g}" for name, value in score.parts.items())
    return [
        Finding(
            section=SECTION,
            subject=subject,
            value=f"a made-up response to {described} gets {score.reward:g} ({verdict}{parts})",
            verdict="ok",
        )
    ]


def _first_problem(experiment: ExperimentConfig) -> Problem | None:
    """Return the first train problem as it came; None where it cannot be had or is dropped."""
    try:
        problem = first_problem(experiment.data_preparation, seed=experiment.seed)
    except ProblemSourceError:
        return None  # the data's own finding says why
    needed = [problem.problem] if problem is not None else []
    if problem is not None and experiment.rewards.needs_answer:
        needed.append(problem.answer or "")
    return problem if all(text.strip() for text in needed) else None


def _name(rewards: AnyRewardConfig) -> str:
    if rewards.kind == "import":
        return rewards.import_path
    if rewards.kind == "sum":
        return f"sum of {', '.join(rewards.parts)}"
    return rewards.kind
