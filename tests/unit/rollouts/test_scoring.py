"""Scores are the same whether a group is scored while others are sampled or after them."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pmd_pipeline.records import Completion, Prompt, Score
from pmd_pipeline.rollouts.scoring import EarlyScoring

PROMPTS = [
    Prompt(problem_id=f"p{i}", token_ids=(i,), answer=str(i), problem=f"problem {i}")
    for i in range(4)
]
GROUPS = [
    [
        Completion(token_ids=(i, j), log_probs=np.zeros(2, dtype=np.float32), truncated=False)
        for j in range(3)
    ]
    for i in range(4)
]


class Tokenizer:
    def batch_decode(self, ids: Sequence[Sequence[int]], **_: Any) -> list[str]:
        return [" ".join(map(str, tokens)) for tokens in ids]


class Recording:
    """A reward of problem and response, which knows who called it with what."""

    two_values = None

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        self.calls.append((threading.current_thread().name, [p.problem_id for p in prompts]))
        return [
            Score(reward=float(response.split()[1]), reason=f"{prompt.problem_id}: {response}")
            for prompt, response in zip(prompts, responses, strict=True)
        ]

    def close(self) -> None:
        pass


class Failing(Recording):
    num_calls = 0

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        self.num_calls += 1
        raise ValueError("no score")


def test_early_groups_change_no_score_and_none_is_scored_twice() -> None:
    plain, early = Recording(), Recording()
    with EarlyScoring(plain, Tokenizer(), PROMPTS) as scoring:
        expected = scoring.finish(GROUPS)
    with EarlyScoring(early, Tokenizer(), PROMPTS) as scoring:
        for position in (2, 0, 3):
            scoring.take(position, GROUPS[position])
        assert scoring.finish(GROUPS) == expected
    assert [[scored.response for scored in group] for group in expected][1] == ["1 0", "1 1", "1 2"]
    assert [scored.score.reward for scored in expected[3]] == [0.0, 1.0, 2.0]
    assert plain.calls == [("MainThread", [f"p{i}" for i in range(4) for _ in range(3)])]
    by_thread = {name: [] for name, _ in early.calls}
    for name, problems in early.calls:
        by_thread[name] += problems
    assert by_thread == {"scoring": ["p2"] * 3 + ["p0"] * 3 + ["p3"] * 3, "MainThread": ["p1"] * 3}


def take_all(reward: Recording, *, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Finish the first two groups early, with something in between."""
    with EarlyScoring(reward, Tokenizer(), PROMPTS) as scoring:
        scoring.take(0, GROUPS[0])
        meanwhile()
        scoring.take(1, GROUPS[1])
        scoring.finish(GROUPS)


def test_an_error_in_the_thread_is_raised_where_the_scores_are_asked_for() -> None:
    with pytest.raises(ValueError, match="no score"):
        take_all(Failing())


def test_an_error_stops_the_sampling_at_the_next_group() -> None:
    def await_failure() -> None:
        for thread in threading.enumerate():
            if thread.name == "scoring":
                thread.join(30)

    failing = Failing()
    with pytest.raises(ValueError, match="no score"):
        take_all(failing, meanwhile=await_failure)
    assert failing.num_calls == 1


def test_what_waits_is_dropped_when_the_sampling_fails() -> None:
    started, go_on = threading.Event(), threading.Event()

    class Slow(Recording):
        def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
            started.set()
            assert go_on.wait(30)
            return super().__call__(prompts, responses)

    def sample_and_fail(reward: Recording) -> None:
        with EarlyScoring(reward, Tokenizer(), PROMPTS) as scoring:
            scoring.take(0, GROUPS[0])
            assert started.wait(30)
            scoring.take(1, GROUPS[1])
            threading.Timer(0.2, go_on.set).start()
            raise RuntimeError("sampler died")

    slow = Slow()
    with pytest.raises(RuntimeError, match="sampler died"):
        sample_and_fail(slow)
    assert [problems[0] for _, problems in slow.calls] == ["p0"]
