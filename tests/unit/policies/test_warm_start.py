"""The warm start: what it imitates, and how it is brought to a wanted pass rate."""

import logging

import numpy as np
import pytest
import torch

from pmd_pipeline.config.policy import WarmStartConfig
from pmd_pipeline.policies.imitation import imitate
from pmd_pipeline.policies.pass_rate import PassRate, guess_share_for
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.warm_start import warm_start
from pmd_pipeline.problems.tasks.addition import AdditionTask
from pmd_pipeline.problems.tasks.task import GUESS, Mistakes

SHORT = AdditionTask((1,))


class OneProblem(AdditionTask):
    """Demonstrates one problem alone."""

    def sample(self, num_problems, rng, *, excluded):  # type: ignore[no-untyped-def]
        return ["1+1"] * num_problems


def test_an_evaluation_problem_is_not_demonstrated(tiny_policy: Policy) -> None:
    config = WarmStartConfig(num_steps=1)
    with pytest.raises(ValueError, match=r"1 evaluation problems are among .*'1\+1'"):
        warm_start(tiny_policy, config, OneProblem((1,)), seed=0, held_out=frozenset({"1+1"}))


def test_a_pass_rate_out_of_reach_is_warned_of_with_both_values_and_noted(
    tiny_policy: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    config = WarmStartConfig(num_steps=1, wanted_pass_rate=0.6)
    with caplog.at_level(logging.WARNING):
        warm_start(tiny_policy, config, SHORT, seed=0, held_out=frozenset())
    note = tiny_policy.model.config.warm_start
    assert note["wanted_pass_rate"] == 0.6
    assert note["measured_pass_rate"] < 0.1
    assert f"0.6, but {note['measured_pass_rate']:.3f} is measured" in caplog.text


def test_without_a_wanted_pass_rate_nothing_is_noted(tiny_policy: Policy) -> None:
    config = WarmStartConfig(num_steps=1)
    warm_start(tiny_policy, config, SHORT, seed=0, held_out=frozenset())
    assert not hasattr(tiny_policy.model.config, "warm_start")


def test_a_response_begins_as_the_share_of_guesses_says_however_often_is_guessed(
    tiny_policy: Policy,
) -> None:
    """Half of the demonstrations guess; some steps suffice for a response's first token."""
    model, prompt = tiny_policy.model, tiny_policy.tokenizer("1+1?")["input_ids"]
    start = {name: value.clone() for name, value in model.state_dict().items()}
    guess = tiny_policy.tokenizer.convert_tokens_to_ids(GUESS)
    for share in (0.1, 0.9):
        model.load_state_dict(start)
        imitate(
            tiny_policy,
            WarmStartConfig(num_steps=40, batch_size=8, learning_rate=0.02),
            OneProblem((1,)),
            Mistakes(skip=0.5, forget=0, slip=0),
            np.random.default_rng(0),
            held_out=frozenset(),
            guess_share=share,
        )
        with torch.no_grad():
            probs = model(torch.tensor([prompt])).logits[0, -1].softmax(-1)
        assert float(probs[guess]) == pytest.approx(share, abs=0.08)


def test_guesses_make_up_for_what_working_has_too_much_or_too_little() -> None:
    measured = PassRate(rate=0.3, guess_share=0.5, worked_rate=0.6, guess_rate=0.1, num_samples=100)
    assert guess_share_for(0.2, measured) == pytest.approx(0.8)  # 0.8 * 0.1 + 0.2 * 0.6
    assert guess_share_for(0.7, measured) < 0


@pytest.mark.parametrize("skip", [0.0, 1.0])
def test_a_wanted_pass_rate_needs_guesses_and_working(skip: float) -> None:
    with pytest.raises(ValueError, match="with and without working, but skip_probability is"):
        WarmStartConfig(wanted_pass_rate=0.1, skip_probability=skip)
