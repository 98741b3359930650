"""A user's own reward function, in processes that are killed when they hang."""

import json
import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pmd_pipeline.config.rewards import ImportRewardConfig
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.checked_scores import checked_scores
from pmd_pipeline.rewards.imported import ImportedReward, RewardError

MODULE = '''
    import os
    import sys
    import time

    from pmd_pipeline.rewards import Score


    def lengths(scale=1.0):
        def reward(prompts, responses):
            return [scale * len(response) for response in responses]

        return reward


    class Judge:
        two_values = (0, 1)

        def __call__(self, prompts, responses):
            return [
                Score(
                    reward=float(prompt.metadata["wanted"] in response),
                    correct=prompt.metadata["wanted"] in response,
                    answer=response[:1],
                    reason="looked",
                    parts={"length": len(response)},
                )
                for prompt, response in zip(prompts, responses)
            ]


    def obeying():
        """Does to a response what it asks for."""

        def reward(prompts, responses):
            return [obey(response) for response in responses]

        def obey(response):
            match response:
                case "raise":
                    raise LookupError("no such thing")
                case "hang":
                    time.sleep(600)
                case "die":
                    os._exit(3)
                case "nan":
                    return float("nan")
                case "text":
                    return "good"
            return 1.0

        return reward


    def too_few():
        return lambda prompts, responses: [1.0]


    def refusing():
        return lambda prompts, responses: [None for _ in responses]


    def process_ids():
        return lambda prompts, responses: [os.getpid()] * len(responses)


    def loaded():
        """Counts the named modules that are loaded."""
        return lambda _, responses: [
            sum(name in sys.modules for name in response.split()) for response in responses
        ]


    def failing(path):
        raise FileNotFoundError(f"no model at {path}")


    def nothing():
        return None


    number = 5
'''


def prompt(problem_id: str = "p", **metadata: Any) -> Prompt:
    return Prompt(
        problem_id=problem_id, token_ids=(), answer=None, problem="text", metadata=metadata
    )


@pytest.fixture
def make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ImportedReward]]:
    """Return what makes rewards of a module in the folder ``rewards`` beside ``conf``."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "rewards").mkdir()
    (tmp_path / "rewards" / "own_rewards.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.chdir(tmp_path)
    made = []

    def make(name: str, **fields: Any) -> ImportedReward:
        config = ImportRewardConfig(kind="import", import_path=f"own_rewards:{name}", **fields)
        made.append(ImportedReward(config))
        return made[-1]

    yield make
    for reward in made:
        reward.close()


def test_numbers_are_scores_and_options_are_passed_by_name(make: Any) -> None:
    scores = make("lengths", options={"scale": 0.5})([prompt()] * 2, ["ab", "abcd"])
    assert scores == [Score(reward=1.0), Score(reward=2.0)]


def test_it_sees_the_metadata_and_says_all_that_a_score_holds(make: Any) -> None:
    judge = make("Judge")
    (score,) = judge([prompt(wanted="b")], ["abc"])
    assert score == Score(
        reward=1.0, correct=True, answer="a", reason="looked", parts={"length": 3.0}
    )
    assert judge.two_values == (0.0, 1.0)


def test_half_a_character_in_an_answer_is_replaced_so_that_a_table_can_hold_it() -> None:
    """A response's own ``"\\ud83d"`` becomes one where a reward reads it as JSON."""
    answer = json.loads('"7 \\ud83d"')
    (score,) = checked_scores([Score(reward=1.0, answer=answer, reason=answer)], 1)
    assert score.answer == score.reason == "7 \N{REPLACEMENT CHARACTER}"


def test_a_function_without_two_values_has_none(make: Any) -> None:
    assert make("lengths").two_values is None


def test_groups_are_divided_among_the_processes_and_scores_keep_their_order(make: Any) -> None:
    prompts = [prompt(f"p{i}") for i in range(6) for _ in range(2)]
    reward = make("lengths", num_workers=2)
    responses = ["x" * i for i in range(12)]
    assert [score.reward for score in reward(prompts, responses)] == list(map(float, range(12)))
    assert len({score.reward for score in make("process_ids")(prompts, responses)}) == 1
    assert reward([], []) == []


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("raise", "LookupError: no such thing"),
        ("hang", "no answer in 1 seconds"),
        ("die", "ended with status 3"),
        ("nan", "a score must be finite, found nan"),
        ("text", "a score must be a number, found str 'good'"),
    ],
)
def test_a_response_that_cannot_be_scored_stops_the_run_with_its_name(
    make: Any, response: str, reason: str
) -> None:
    reward = make("obeying", timeout_seconds=1)
    with pytest.raises(RewardError) as raised:
        reward([prompt("train/7")] * 3, ["fine", response, "fine"])
    message = str(raised.value)
    assert "own_rewards:obeying" in message
    assert "problem 'train/7'" in message
    assert reason in message
    assert f"The response: {response!r}" in message
    assert "on_error: incorrect" in message


def test_with_on_error_incorrect_the_others_keep_their_scores(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    reward = make("obeying", timeout_seconds=1, on_error="incorrect", incorrect_reward=-2.0)
    failing = ["raise", "hang", "die", "nan"]
    scores = reward([prompt()] * 5, [*failing, "fine"])
    assert [score.reward for score in scores] == [-2.0] * 4 + [1.0]
    assert [score.reason for score in scores] == ["error", "timeout", "error", "error", ""]
    assert [score.correct for score in scores] == [False] * 4 + [None]
    assert sum("It gets incorrect_reward" in record.getMessage() for record in caplog.records) == 4


def test_the_wrong_number_of_scores_is_told(make: Any) -> None:
    with pytest.raises(RewardError, match="1 scores for 2 responses"):
        make("too_few")([prompt()] * 2, ["a", "b"])


def test_a_long_response_is_shortened_in_the_message(make: Any) -> None:
    with pytest.raises(RewardError, match=r"xx'\.\.\. \(5,000 characters\)"):
        make("refusing")([prompt()], ["x" * 5000])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("failing", {"path": "/m"}, "FileNotFoundError: no model at /m"),
        ("lengths", {"scael": 2}, "unexpected keyword argument 'scael'"),
        ("nothing", {}, "returned a NoneType"),
        ("number", {}, "is a int, no function"),
        ("missing", {}, "has no 'missing'; it has .*lengths"),
    ],
)
def test_a_function_that_cannot_be_made_is_told(
    make: Any, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RewardError, match=message):
        make(name, options=options)([prompt()], ["a"])


def test_a_module_that_is_not_there_is_told_with_where_it_was_looked_for(
    make: Any, tmp_path: Path
) -> None:
    reward = ImportedReward(ImportRewardConfig(kind="import", import_path="no_such_module:make"))
    try:
        with pytest.raises(RewardError) as raised:
            reward([prompt()], ["a"])
    finally:
        reward.close()
    assert "rewards.import_path: there is no module 'no_such_module'" in str(raised.value)
    assert str(tmp_path / "rewards") in str(raised.value)


def test_closing_ends_the_processes(make: Any) -> None:
    reward = make("process_ids")
    (score,) = reward([prompt()], ["a"])
    reward.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(score.reward), 0)


def test_a_process_that_scores_loads_what_the_function_needs_and_no_more(make: Any) -> None:
    (score,) = make("loaded")([prompt()], ["torch transformers pandas sympy"])
    assert score.reward == 0.0
