"""What every rollout engine must do, as tests: a test module subclasses :class:`EngineContract`.

Expected values come from the policy's own forward pass, one sequence at a time, without a cache.
"""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from vllm_helpers import update

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion

PROMPTS = [[1, 5, 10, 7, 12], [1], [1, 20, 4], [1, 3, 3, 3, 11, 8]]
STOP = 2


def sample(
    engine: RolloutEngine,
    policy: Policy,
    prompts: list[list[int]] = PROMPTS,
    *,
    num_samples: int = 2,
    seeds: list[int] | None = None,
    **sampling: float,
) -> list[list[Completion]]:
    """Return responses of at most 12 tokens, seeded 0, 1, ... unless told otherwise."""
    return engine.generate(
        prompts,
        version=engine.publish(policy),
        num_samples=num_samples,
        sampling=SamplingConfig.model_validate({"max_new_tokens": 12} | sampling),
        seeds=list(range(len(prompts))) if seeds is None else seeds,
    )


def tokens_of(groups: list[list[Completion]]) -> list[tuple[int, ...]]:
    """Return every response's tokens, group after group."""
    return [completion.token_ids for group in groups for completion in group]


def exact_log_probs(
    policy: Policy,
    token_ids: list[int],
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1,
) -> np.ndarray:
    """Return the log-probs that follow each token, float64, [T, V]; top_k comes before top_p."""
    with torch.no_grad():
        logits = policy.model(torch.tensor([token_ids])).logits[0].double() / temperature
    excluded = -np.inf
    for row in logits:
        best = row.argsort(descending=True)
        row[best[top_k or len(row) :]] = excluded
        probs = row.softmax(-1)[best]
        row[best[probs.cumsum(0) - probs >= top_p]] = excluded
    return logits.log_softmax(-1).numpy()


def assert_log_probs_are_exact(
    policy: Policy, groups: list[list[Completion]], **sampling: float
) -> None:
    """Compare every token's log-prob with the policy's, renormalised over what may be drawn."""
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for completion in group:
            tokens = list(completion.token_ids)
            exact = exact_log_probs(policy, [*prompt, *tokens], **sampling)[len(prompt) - 1 : -1]
            np.testing.assert_allclose(
                completion.log_probs, exact[range(len(tokens)), tokens], atol=1e-4
            )


class EngineContract:
    """Give it the fixtures ``engine``, and ``policy`` of ``vllm_helpers.make_tied_policy``."""

    num_groups_passed_on = 0  # early: an engine may leave it out

    def test_every_prompt_gets_its_samples(self, engine: RolloutEngine, policy: Policy) -> None:
        groups = sample(engine, policy, num_samples=3)
        assert [len(group) for group in groups] == [3, 3, 3, 3]
        for completion in (completion for group in groups for completion in group):
            assert len(completion.log_probs) == len(completion.token_ids)
            assert completion.log_probs.dtype == np.float32

    def test_a_response_ends_with_the_stop_token_or_is_truncated(
        self, engine: RolloutEngine, policy: Policy
    ) -> None:
        groups = sample(engine, policy, num_samples=32, max_new_tokens=20)
        completions = [completion for group in groups for completion in group]
        assert {completion.truncated for completion in completions} == {True, False}
        for completion in completions:
            assert STOP not in completion.token_ids[:-1]
            assert completion.truncated == (completion.token_ids[-1] != STOP)
            assert len(completion.token_ids) == 20 or not completion.truncated

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"temperature": 0.6},
            {"top_k": 3},
            {"top_p": 0.6},
            {"top_k": 4, "top_p": 0.8, "temperature": 1.5},
        ],
    )
    def test_log_probs_are_those_of_the_distribution_that_is_drawn_from(
        self, engine: RolloutEngine, policy: Policy, options: dict[str, float]
    ) -> None:
        assert_log_probs_are_exact(policy, sample(engine, policy, **options), **options)

    def test_greedy_responses_are_those_of_generate(
        self, engine: RolloutEngine, policy: Policy
    ) -> None:
        groups = sample(engine, policy, num_samples=1, top_k=1, max_new_tokens=30)
        for prompt, (completion,) in zip(PROMPTS, groups, strict=True):
            generated = policy.model.generate(
                torch.tensor([prompt]), max_new_tokens=30, do_sample=False
            )[0, len(prompt) :].tolist()
            assert list(completion.token_ids) == generated

    def test_first_and_second_tokens_follow_the_exact_distribution(
        self, engine: RolloutEngine, policy: Policy
    ) -> None:
        prompt, num_samples = PROMPTS[0], 4000
        (group,) = sample(engine, policy, [prompt], num_samples=num_samples, max_new_tokens=2)
        first = np.exp(exact_log_probs(policy, prompt)[-1])
        second = sum(
            first[token] * np.exp(exact_log_probs(policy, [*prompt, token])[-1])
            for token in range(len(first))
            if token != STOP
        )
        ended = [first[STOP]]  # a response that ended has no second token
        for position, probs in enumerate([first, np.array([*second, *ended])]):
            drawn = [
                c.token_ids[position] if len(c.token_ids) > position else len(first) for c in group
            ]
            expected = probs * num_samples
            common = expected >= 5  # rarer ones have no chi-squared distribution: one class
            counts = np.bincount(drawn, minlength=len(probs))
            assert common.sum() > 10
            test = chisquare(
                [*counts[common], counts[~common].sum()],
                [*expected[common], expected[~common].sum()],
            )
            assert test.pvalue > 1e-3

    def test_seeds_repeat_bit_for_bit_and_others_differ(
        self, engine: RolloutEngine, policy: Policy
    ) -> None:
        first, again = sample(engine, policy), sample(engine, policy)
        assert tokens_of(first) == tokens_of(again)
        for a, b in zip(first, again, strict=True):
            assert all(np.array_equal(x.log_probs, y.log_probs) for x, y in zip(a, b, strict=True))
        other = sample(engine, policy, seeds=[100, 101, 102, 103])
        assert tokens_of(first) != tokens_of(other)

    def test_samples_of_a_prompt_and_of_neighbouring_seeds_all_differ(
        self, engine: RolloutEngine, policy: Policy
    ) -> None:
        # Flat over 25 tokens: chance makes no two responses of five tokens equal.
        groups = sample(
            engine, policy, [PROMPTS[0]] * 2, num_samples=8, seeds=[0, 1], temperature=2.0
        )
        long = [tokens for tokens in tokens_of(groups) if len(tokens) >= 5]
        assert len(long) > 8
        assert len(set(long)) == len(long)

    def test_more_prompt_tokens_than_one_step_takes(
        self, engine: RolloutEngine, policy: Policy
    ) -> None:
        prompts = [[1, *[3 + i % 20] * 110] for i in range(40)]
        groups = sample(engine, policy, prompts, num_samples=1, max_new_tokens=1)
        (completion,) = groups[39]
        exact = exact_log_probs(policy, prompts[39])[-1, completion.token_ids[0]]
        assert completion.log_probs[0] == pytest.approx(exact, abs=1e-4)

    def test_an_update_is_seen(self, engine: RolloutEngine, policy: Policy) -> None:
        before = sample(engine, policy)
        update(policy)
        after = sample(engine, policy)
        assert tokens_of(before) != tokens_of(after)
        assert_log_probs_are_exact(policy, after)

    def test_progress_counts_every_response(self, engine: RolloutEngine, policy: Policy) -> None:
        class Counter:
            total = 0.0

            def update(self, n: float = 1) -> None:
                self.total += n

        counter = Counter()
        engine.generate(
            PROMPTS,
            version=engine.publish(policy),
            num_samples=8,
            sampling=SamplingConfig(max_new_tokens=12),
            seeds=[0, 1, 2, 3],
            progress=counter,
        )
        assert counter.total == 32

    def test_groups_that_are_passed_on_early_are_those_returned(
        self, engine: RolloutEngine, policy: Policy
    ) -> None:
        early: dict[int, list[Completion]] = {}
        groups = engine.generate(
            PROMPTS,
            version=engine.publish(policy),
            num_samples=8,
            sampling=SamplingConfig(max_new_tokens=12),
            seeds=[0, 1, 2, 3],
            group_finished=early.__setitem__,
        )
        assert len(early) >= self.num_groups_passed_on
        for position, group in early.items():
            assert [c.token_ids for c in group] == [c.token_ids for c in groups[position]]
