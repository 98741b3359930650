"""Reasoning Gym: its problems by way of the tables, and its verifiers as a reward."""

from typing import Any

import pytest

from pmd_pipeline.config.reasoning_gym import ReasoningGymRewardConfig
from pmd_pipeline.problems._reasoning_gym_worker import draw
from pmd_pipeline.problems.gym_families import decode, encode
from pmd_pipeline.problems.metadata import metadata_to_text, text_to_metadata
from pmd_pipeline.problems.reasoning_gym import gym_entry
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards.reasoning_gym import ReasoningGymReward, find_answer

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
        score = make_reward()([prompt], [answer])[0]
        assert (score.reward, score.correct, score.reason) == (1.0, True, "correct")
