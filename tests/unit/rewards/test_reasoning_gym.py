"""Reasoning Gym: its problems by way of the tables, and its verifiers as a reward."""

from fractions import Fraction
from typing import Any

import pytest

from pmd_pipeline.config.reasoning_gym import ReasoningGymRewardConfig
from pmd_pipeline.problems.gym.draw import gym_entry
from pmd_pipeline.problems.gym.families import decode, encode
from pmd_pipeline.problems.gym.worker import draw
from pmd_pipeline.problems.metadata import metadata_to_text, text_to_metadata
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards.gym_scorer import find_answer, score_answer
from pmd_pipeline.rewards.reasoning_gym import ReasoningGymReward

gym = pytest.importorskip("reasoning_gym")
FAMILIES = sorted(set(gym.factory.DATASETS) - {"composite"})
# Families whose problems have no single answer; their data holds one of the right ones.
EXAMPLES = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}
NO_ANSWER_KNOWN = {"boxnet", "rush_hour"}


def make_prompts(
    dataset: str, num_problems: int = 2, options: dict[str, Any] | None = None
) -> list[Prompt]:
    """Return prompts whose metadata has been through a table."""
    prompts = []
    for problem in draw(dataset, options or {}, num_problems, seed=77):
        metadata = {
            "dataset": dataset,
            "options": options or {},
            "family": problem["family"],
            "answer": problem["answer"],
            "entry": problem["entry_metadata"],
        }
        prompts.append(
            Prompt(
                problem_id=f"train/{problem['number']}",
                token_ids=(1,),
                answer=problem["answer"],
                problem=problem["question"],
                metadata=text_to_metadata(metadata_to_text(metadata)),
            )
        )
    return prompts


def make_reward(**fields: object) -> ReasoningGymReward:
    config = {"kind": "reasoning_gym", "convention": "whole_response", **fields}
    return ReasoningGymReward(ReasoningGymRewardConfig.model_validate(config))


def test_there_are_a_hundred_and_six_families_with_the_mixture() -> None:
    assert len(FAMILIES) == 105


@pytest.mark.parametrize("family", FAMILIES)
def test_a_right_answer_of_every_family_has_a_full_score_after_the_tables(family: str) -> None:
    prompts = make_prompts(family)
    for prompt in prompts:
        draw_of = prompt.metadata["family"]
        dataset = gym.create_dataset(family, seed=draw_of["seed"], size=draw_of["size"])
        entry = gym_entry(prompt)
        assert encode(entry["metadata"]) == prompt.metadata["entry"]
        if family in NO_ANSWER_KNOWN:
            assert entry["answer"] is None
            continue
        answer = entry["answer"]
        if family in EXAMPLES:
            answer = str(entry["metadata"][EXAMPLES[family]])
        if family == "graph_color":
            answer = answer.replace("{", '{"').replace(": ", '": ').replace(", ", ', "')
        assert dataset.score_answer(answer, entry) >= 1.0 - 1e-9
        score = score_answer(prompt, answer, partial_credit=True)
        assert (score.reward, score.correct, score.reason) == (1.0, True, "correct")


@pytest.mark.parametrize(
    "value",
    [
        {"a": (1, 2.5, None, True), "b": [(), {"c": ()}]},
        {1: "int key", (2, 3): "tuple key"},
        {"__type__": "a user's own key"},
        {frozenset({1}), frozenset()},
        [float("inf"), -0.0, 10**40, Fraction(-1, 3)],
    ],
)
def test_a_familys_data_comes_back_with_its_types(value: Any) -> None:
    back = decode(text_to_metadata(metadata_to_text({"entry": encode(value)}))["entry"])
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("so <answer> 12\n</answer> it is", "12"),
        ("<answer>1</answer> no, <answer>2</answer>", "2"),
        ("<answer>1</answer> no, <answer>2", "1"),
        ("<answer>1 no, <answer>2</answer>", "2"),
        ("<answer>1</answer> and </answer>", "1"),
        ("<answer>a\n  b</answer>", "a\n  b"),
        ("<answer> </answer>", None),
        ("</answer>1<answer>", None),
        ("12", None),
    ],
)
def test_the_last_complete_answer_tag_is_the_answer(response: str, answer: str | None) -> None:
    assert find_answer(response, "answer_tag") == answer


def test_the_other_conventions_are_the_whole_response_the_box_and_the_answer_line() -> None:
    response = "x\nAnswer: 3\n\\boxed{4} "
    assert find_answer(response, "whole_response") == "x\nAnswer: 3\n\\boxed{4}"
    assert find_answer(response, "boxed") == "4"
    assert find_answer(response, "answer_line") == "3"
    assert find_answer(" \n", "whole_response") is None


def test_scores_are_partial_or_not_as_configured() -> None:
    (prompt,) = make_prompts("chain_sum", 1)
    gold = str(prompt.answer)
    partial = len(gold) / len(f"{gold} metres")  # the family's rule for an answer with more in it
    responses = [f"<answer>{text}</answer>" for text in (gold, f"{gold} metres", "none")]
    responses += ["12"]
    reward = make_reward(convention="answer_tag")
    try:
        scores = reward([prompt] * 4, responses)
    finally:
        reward.close()
    assert [score.reward for score in scores] == [1.0, partial, 0.0, 0.0]
    assert [score.correct for score in scores] == [True, False, False, False]
    assert [score.reason for score in scores] == ["correct", "partial", "wrong", "no_answer"]
    assert [score.answer for score in scores] == [gold, f"{gold} metres", "none", None]
    assert reward.two_values is None
    assert make_reward(partial_credit=False).two_values == (0.0, 1.0)
    assert score_answer(prompt, f"{gold} metres", partial_credit=False).reward == 0.0


def test_a_verifier_that_raises_or_hangs_makes_a_wrong_response() -> None:
    (boxes,) = make_prompts("boxnet", 1)
    score = score_answer(boxes, "42", partial_credit=True)
    assert (score.reward, score.correct, score.reason) == (0.0, False, "error")
    (prompt,) = make_prompts("countdown", 1)
    reward = make_reward(timeout_seconds=1.0)
    try:
        hung, fine = reward([prompt, prompt], ["9**9**9**9", str(prompt.answer)])
    finally:
        reward.close()
    assert (hung.reward, hung.correct, hung.reason) == (0.0, False, "timeout")
    assert fine.correct is True


def test_problems_of_another_kind_are_refused() -> None:
    prompt = Prompt(problem_id="train/x", token_ids=(1,), answer="1", problem="1?")
    with pytest.raises(ValueError, match=r"'train/x' is of another kind; choose the reward"):
        make_reward()([prompt], ["1"])


def test_a_mixture_is_scored_by_each_problems_own_family() -> None:
    members = [{"name": "gcd"}, {"name": "graph_color", "weight": 2}]
    prompts = make_prompts("composite", 8, {"datasets": members})
    sources = [prompt.metadata["entry"]["source_dataset"] for prompt in prompts]
    assert set(sources) == {"gcd", "graph_color"}
    for prompt, source in zip(prompts, sources, strict=True):
        if source == "gcd":
            assert score_answer(prompt, str(prompt.answer), partial_credit=True).correct
        assert score_answer(prompt, "no", partial_credit=True).correct is False
