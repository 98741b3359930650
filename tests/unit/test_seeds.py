"""Seeds and prompt order: a function of the experiment's seed and of the purpose alone."""

import pytest

from pmd_pipeline.records import Prompt
from pmd_pipeline.seeds import derive_seed
from pmd_pipeline.training.prompt_order import prompts_of_round

PROMPTS = [Prompt(problem_id=str(i), token_ids=(i,), answer="0", problem="") for i in range(10)]


def ids(round_index: int, prompts_per_round: int = 3, seed: int = 0) -> list[str]:
    return [
        prompt.problem_id
        for prompt in prompts_of_round(
            PROMPTS, round_index=round_index, prompts_per_round=prompts_per_round, seed=seed
        )
    ]


def test_a_derived_seed_fits_every_generator_and_repeats() -> None:
    assert derive_seed(0, "a", 1) == derive_seed(0, "a", 1)
    assert 0 <= derive_seed(0, "a", 1) < 2**63


def test_seed_and_purpose_both_matter() -> None:
    seeds = {
        derive_seed(0, "a", 1),
        derive_seed(1, "a", 1),
        derive_seed(0, "b", 1),
        derive_seed(0, "a", 2),
    }
    assert len(seeds) == 4


def test_the_rounds_of_an_epoch_share_no_prompt() -> None:
    epoch = ids(0) + ids(1) + ids(2)
    assert len(set(epoch)) == 9


def test_the_next_epoch_has_another_order() -> None:
    assert ids(0) + ids(1) + ids(2) != ids(3) + ids(4) + ids(5)


def test_a_round_can_be_asked_for_without_those_before_it() -> None:
    assert ids(4) == ids(4)
    assert ids(4) != ids(4, seed=1)


def test_too_few_prompts_say_what_to_change() -> None:
    with pytest.raises(ValueError, match="prompts_per_round is 11, but only 10 prompts"):
        ids(0, prompts_per_round=11)
