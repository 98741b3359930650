"""What each kind of reward makes of responses, and how the parameters choose it."""

from collections.abc import Sequence
from typing import Any

import psutil
import pytest
from pydantic import ValidationError

from pmd_pipeline.config.rewards import AnyRewardConfig, MathRewardConfig, RewardParameters
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.choice import close_rewards, make_reward, reward_for, two_values_of
from pmd_pipeline.rewards.math_reward import MathReward
from pmd_pipeline.rewards.reward_function import get_ready
from pmd_pipeline.rewards.weighted_sum import WeightedSum


def prompt(answer: str | None = "5", **fields: Any) -> Prompt:
    return Prompt(problem_id="p", token_ids=(), answer=answer, problem="2 + 3", **fields)


def config_of(**values: Any) -> AnyRewardConfig:
    return RewardParameters.model_validate(values).root


class Fixed:
    """A reward that always says the same."""

    two_values = None

    def __init__(self, **score: Any) -> None:
        self._score = Score(**score)

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        return [self._score for _ in responses]

    def close(self) -> None:
        pass


def test_math_pays_right_and_wrong_as_the_parameters_say() -> None:
    reward = MathReward(MathRewardConfig(correct_reward=2.0, incorrect_reward=0.5))
    right, wrong, silent = reward([prompt()] * 3, [r"\boxed{5}", r"\boxed{6}", "five"])
    assert right == Score(reward=2.0, correct=True, answer="5", reason="correct")
    assert wrong == Score(reward=0.5, correct=False, answer="6", reason="wrong")
    assert silent == Score(reward=0.5, correct=False, answer=None, reason="no_answer")
    assert reward.two_values == (0.5, 2.0)


@pytest.mark.parametrize(
    ("answers", "num_processes"), [(["5", "-12"], 0), (["5", "x+1"], 1), (["x+1", "x+2", "y"], 2)]
)
def test_maths_processes_get_ready_ahead_only_where_a_reference_answer_is_no_integer(
    answers: list[str], num_processes: int
) -> None:
    here = psutil.Process()
    before = set(here.children())
    reward = WeightedSum({"right": (1.0, MathReward(MathRewardConfig(num_workers=2)))})
    try:
        get_ready(reward, [prompt(answer) for answer in answers])
        assert len(set(here.children()) - before) == num_processes
    finally:
        reward.close()


def test_a_reward_without_processes_has_nothing_to_get_ready() -> None:
    before = set(psutil.Process().children())
    get_ready(Fixed(reward=1.0), [prompt()])
    assert set(psutil.Process().children()) == before


def test_math_names_a_problem_without_a_reference_answer() -> None:
    with pytest.raises(ValueError, match="problem 'p' has no reference answer"):
        MathReward(MathRewardConfig())([prompt(None)], ["5"])


def test_a_sum_weighs_its_parts_and_takes_the_verdict_of_the_first_that_judges() -> None:
    total = WeightedSum(
        {
            "brevity": (0.5, Fixed(reward=-2.0, reason="long")),
            "correct": (2.0, Fixed(reward=1.0, correct=True, answer="5", reason="correct")),
            "style": (1.0, Fixed(reward=0.25, correct=False, answer="no")),
        }
    )
    (score,) = total([prompt()], ["..."])
    assert score == Score(
        reward=0.5 * -2.0 + 2.0 * 1.0 + 0.25,
        correct=True,
        answer="5",
        reason="correct",
        parts={"brevity": -2.0, "correct": 1.0, "style": 0.25},
    )
    assert total.two_values is None


def test_parts_of_a_part_keep_their_names() -> None:
    total = WeightedSum({"own": (1.0, Fixed(reward=3.0, parts={"a": 1.0, "b": 2.0}))})
    (score,) = total([prompt()], ["..."])
    assert score.parts == {"own": 3.0, "own_a": 1.0, "own_b": 2.0}


def test_a_sum_in_which_no_part_judges_does_not_judge() -> None:
    (score,) = WeightedSum({"a": (1.0, Fixed(reward=1.0))})([prompt()], ["..."])
    assert score.correct is None


def test_a_sum_in_the_parameters_is_made_of_its_parts() -> None:
    config = config_of(
        kind="sum",
        parts={
            "correct": {"kind": "math", "weight": 2.0, "correct_reward": 1, "incorrect_reward": 0},
            "boxed_at_all": {"kind": "math", "weight": 0.5, "convention": "answer_line"},
        },
    )
    reward = make_reward(config)
    try:
        (score,) = reward([prompt()], [r"\boxed{5}"])
    finally:
        reward.close()
    assert score.parts == {"correct": 1.0, "boxed_at_all": -1.0}
    assert score.reward == 2.0 * 1.0 + 0.5 * -1.0
    assert config.needs_answer
    assert config.gives_answers


def test_stages_share_a_reward_until_it_is_closed() -> None:
    first = reward_for(MathRewardConfig())
    assert reward_for(MathRewardConfig()) is first
    assert reward_for(MathRewardConfig(convention="answer_line")) is not first
    close_rewards()
    assert reward_for(MathRewardConfig()) is not first
    close_rewards()


def test_a_length_penalty_makes_more_than_two_values() -> None:
    assert two_values_of(MathRewardConfig()) == (-1.0, 1.0)
    assert two_values_of(MathRewardConfig(overlong_buffer_tokens=4)) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "maths"}, "'maths'"),
        ({"kind": "import"}, "import_path"),
        ({"kind": "import", "import_path": "no colon"}, "import_path"),
        ({"kind": "import", "import_path": "a:b", "on_error": "ignore"}, "on_error"),
        ({"kind": "sum", "parts": {}}, "parts"),
        ({"kind": "sum", "parts": {"Bad Name": {"kind": "math"}}}, "Bad Name"),
        ({"kind": "sum", "parts": {"a": {"kind": "sum", "parts": {}}}}, "'sum'"),
        (
            {"kind": "sum", "parts": {"a": {"kind": "math", "overlong_buffer_tokens": 3}}},
            "belongs beside parts",
        ),
    ],
)
def test_unusable_parameters_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RewardParameters.model_validate(values)
