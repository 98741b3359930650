"""Problems of Reasoning Gym, drawn in a process of their own."""

import sys
from typing import Any

import pytest

from pmd_pipeline.config.data_preparation import DataPreparationConfig, ReasoningGymSource
from pmd_pipeline.problems.cleaning import clean_problems
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.gym.draw import draw_problems, first_seed
from pmd_pipeline.problems.gym.families import GymError, open_family
from pmd_pipeline.problems.gym.worker import ROUNDS, draw
from pmd_pipeline.problems.sources import load_problems
from pmd_pipeline.problems.stored.layouts import RawProblem

pytest.importorskip("reasoning_gym")


def draw_set(set_name: str = "train", seed: int = 3, **fields: Any) -> list[RawProblem]:
    source = ReasoningGymSource.model_validate({"kind": "reasoning_gym", **fields})
    return list(draw_problems(source, set_name=set_name, seed=seed, key=set_name))


def test_problem_i_is_drawn_with_the_seed_plus_i() -> None:
    first = open_family("chain_sum", {}, seed=100, size=8)
    later = open_family("chain_sum", {}, seed=103, size=8)
    assert [first[i]["question"] for i in range(3, 8)] == [later[i]["question"] for i in range(5)]


def test_train_and_evaluation_never_share_a_seed() -> None:
    for seed in range(200):
        for name in ("a", "b"):
            assert first_seed(seed, "train") + ROUNDS * 100_000 < 2**31 <= first_seed(seed, name)
            assert first_seed(seed, name) + ROUNDS * 100_000 < 2**32
    assert first_seed(1, "a") != first_seed(1, "b") != first_seed(2, "b")


def test_the_seed_decides_the_problems_also_where_a_family_uses_global_chance() -> None:
    # isomorphic_strings draws from sets of letters, list_functions uses Python's own generator.
    for family in ("isomorphic_strings", "list_functions"):
        problems = draw_set(dataset=family, num_problems=4)
        assert problems == draw_set(dataset=family, num_problems=4)
        assert problems != draw_set(dataset=family, num_problems=4, seed=4)


def test_questions_that_come_again_are_drawn_anew() -> None:
    options = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
    problems = draw("chain_sum", options, 120, seed=0)
    assert len({problem["question"] for problem in problems}) == 120
    assert max(problem["number"] for problem in problems) > 119
    family = problems[-1]["family"]
    again = open_family("chain_sum", options, seed=family["seed"], size=family["size"])
    assert again[family["index"]]["question"] == problems[-1]["question"]


def test_a_family_with_too_few_questions_is_an_error_with_its_count() -> None:
    options = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
    with pytest.raises(ProblemSourceError, match=r"only 200 distinct .* num_problems 300; ask"):
        draw_set(dataset="chain_sum", num_problems=300, options=options)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"dataset": "chain_sun"},
            r"^evals.x: .* no dataset 'chain_sun'; did you mean 'chain_sum'",
        ),
        (
            {"dataset": "gcd", "options": {"max_numers": 3}},
            r"'gcd' has no option 'max_numers'; did you mean 'max_numbers'\?",
        ),
        ({"dataset": "gcd", "options": {"zz": 3}}, r"no option 'zz'; it has max_numbers, max_va"),
        ({"dataset": "gcd", "options": {"seed": 3}}, r"'seed' follows from the run's seed"),
        (
            {"dataset": "gcd", "options": {"max_numbers": 0}},
            r"'gcd' refuses the options \{'max_numbers': 0\} \(AssertionError",
        ),
        (
            {"dataset": "composite", "options": {"datasets": [{"name": "lmc"}]}},
            r"no dataset 'lmc'; did you mean 'lcm'\?",
        ),
    ],
)
def test_what_does_not_exist_is_named_with_the_closest(fields: Any, message: str) -> None:
    with pytest.raises(ProblemSourceError, match=message):
        draw_set("evals.x", num_problems=2, **fields)


def test_a_mixture_of_families_is_a_family() -> None:
    members = [{"name": "gcd"}, {"name": "lcm", "weight": 3, "config": {"max_numbers": 2}}]
    problems = draw_set(dataset="composite", num_problems=20, options={"datasets": members})
    counts = [problem.metadata["entry"]["source_dataset"] for problem in problems]
    assert 0 < counts.count("gcd") < counts.count("lcm")


def test_without_the_package_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(GymError, match=r"pip install 'pmd_pipeline\[reasoning-gym\]'"):
        open_family("gcd", {}, seed=0, size=1)


def test_the_sets_reach_the_tables_with_their_white_space_and_data() -> None:
    config = DataPreparationConfig.model_validate(
        {
            "train": {"kind": "reasoning_gym", "dataset": "figlet_font", "num_problems": 5},
            "evals": {
                "boxes": {"kind": "reasoning_gym", "dataset": "boxnet", "num_problems": 2},
            },
            "prompt_template": "boxed",
            "max_prompt_tokens": 1000,
        }
    )
    raw = load_problems(config, seed=5)
    kept, dropped = clean_problems(
        raw,
        missing_rows="drop",
        answers_required=False,
        verbatim_sets=config.verbatim_sets(),
    )
    assert dropped.empty
    assert kept["problem"].tolist() == raw["problem"].tolist()
    assert "   " in kept["problem"][0]
    assert kept["problem_id"][0] == "train/figlet_font-0"
    assert kept["answer"].isna().tolist() == [False] * 5 + [True] * 2
    assert kept["source"].tolist() == ["reasoning_gym"] * 5 + ["boxes"] * 2
    assert kept["metadata"].str.startswith('{"answer":').all()
