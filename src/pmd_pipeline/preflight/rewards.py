"""The reward: it can be made, and it scores one made-up response."""

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.rewards import AnyRewardConfig
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.sources import first_problem
from pmd_pipeline.processes.errors import ChildError
from pmd_pipeline.records import Problem, Prompt
from pmd_pipeline.rewards.choice import make_reward

SECTION = "Reward"
MADE_UP_RESPONSE = "A made-up response.\n\nAnswer: \\boxed{2}"
_MADE_UP_PROBLEM = Problem(
    problem_id="made up", problem="What is 1 + 1?", answer="2", source="made up", split="train"
)


def check_reward(experiment: ExperimentConfig) -> list[Finding]:
    """Make the reward and have it score one made-up response.

    The response is one to the first train problem where that lies on this machine or is generated,
    so that the reward sees metadata such as it will meet; else to a made-up problem.
    """
    problem, described = _problem(experiment)
    prompt = Prompt(
        problem_id=problem.problem_id,
        token_ids=(),
        answer=problem.answer,
        problem=problem.problem,
        metadata=problem.metadata,
    )
    subject = _name(experiment.rewards)
    reward = make_reward(experiment.rewards)
    try:
        (score,) = reward([prompt], [MADE_UP_RESPONSE])
    except (ValueError, ChildError) as error:
        return [
            Finding(
                section=SECTION,
                subject=subject,
                value=f"no score for a made-up response to {described}",
                verdict="failure",
                remedy=str(error),
            )
        ]
    finally:
        reward.close()
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


def _problem(experiment: ExperimentConfig) -> tuple[Problem, str]:
    try:
        problem = first_problem(experiment.data_preparation, seed=experiment.seed)
    except ProblemSourceError:
        problem = None  # the data's own finding says why
    if problem is None:
        return _MADE_UP_PROBLEM, "a made-up problem"
    return problem, f"problem {problem.problem_id}"


def _name(rewards: AnyRewardConfig) -> str:
    if rewards.kind == "import":
        return rewards.import_path
    if rewards.kind == "sum":
        return f"sum of {', '.join(rewards.parts)}"
    return rewards.kind
