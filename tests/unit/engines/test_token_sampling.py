"""Drawing tokens: the distribution that is asked for, and nothing that has probability zero."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.sampling import allowed_scores, draw_tokens, uniform_stream

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0]])


def sampling(**changes: float) -> SamplingConfig:
    return SamplingConfig(max_new_tokens=4, **changes)


def log_probs_of(logits: torch.Tensor, **changes: float) -> torch.Tensor:
    return allowed_scores(logits, sampling(**changes)).log_softmax(-1)


def test_temperature_divides_the_logits() -> None:
    expected = (LOGITS / 0.5).log_softmax(-1)
    torch.testing.assert_close(log_probs_of(LOGITS, temperature=0.5), expected)


def test_top_p_keeps_the_smallest_set_that_reaches_the_mass_and_renormalises() -> None:
    # Probabilities .6439, .2369, .0871, .0321: two tokens reach 0.7, one does not.
    log_probs = log_probs_of(LOGITS, top_p=0.7)
    kept = torch.tensor([2.0, 1.0]).log_softmax(-1)
    torch.testing.assert_close(log_probs[0, :2], kept)
    assert torch.isneginf(log_probs[0, 2:]).all()


def test_top_p_below_the_best_token_keeps_that_token() -> None:
    log_probs = log_probs_of(LOGITS, top_p=0.01)
    assert log_probs[0].tolist() == [0.0, -np.inf, -np.inf, -np.inf]


def test_top_k_keeps_the_k_best_wherever_they_stand() -> None:
    log_probs = log_probs_of(LOGITS[:, [3, 0, 2, 1]], top_k=2)
    assert torch.isneginf(log_probs[0, [0, 2]]).all()
    torch.testing.assert_close(log_probs[0, [1, 3]], torch.tensor([2.0, 1.0]).log_softmax(-1))


def test_top_k_comes_before_top_p() -> None:
    # Of the two best, .731 and .269, the first alone reaches 0.7; of all four it would not.
    log_probs = log_probs_of(LOGITS, top_k=2, top_p=0.7)
    assert torch.isneginf(log_probs[0, 1:]).all()


def test_drawn_tokens_follow_the_distribution() -> None:
    uniforms = torch.from_numpy(np.random.default_rng(0).random(20_000, dtype=np.float32))
    tokens = draw_tokens(LOGITS.expand(20_000, -1), uniforms, sampling()).tokens
    counts = tokens.bincount(minlength=4).numpy()
    expected = LOGITS.softmax(-1)[0].double().numpy() * 20_000
    assert chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize("offset", [0.0, 300.0, -300.0])
def test_a_drawn_tokens_log_prob_is_that_of_the_distribution(offset: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(200, 3000, generator=generator) + offset
    uniforms = torch.rand(200, generator=generator)
    drawn = draw_tokens(logits, uniforms, sampling(temperature=0.7, top_p=0.9))
    scores = allowed_scores(logits, sampling(temperature=0.7, top_p=0.9)).double()
    expected = scores.log_softmax(-1).gather(-1, drawn.tokens[:, None])[:, 0]
    torch.testing.assert_close(drawn.log_probs.double(), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-24])
def test_a_token_of_probability_zero_is_never_drawn(uniform: float) -> None:
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf], [-200.0, 0.0, -200.0]])
    drawn = draw_tokens(logits, torch.tensor([uniform, uniform]), sampling())
    assert drawn.tokens.tolist() == [1, 1]
    assert drawn.log_probs.tolist() == [0, 0]


def test_a_stream_depends_on_its_own_seed_and_sample_alone() -> None:
    stream = uniform_stream(9, 1, 4)
    assert np.array_equal(stream, uniform_stream(9, 1, 8)[:4])
    others = (uniform_stream(9, 0, 4), uniform_stream(5, 1, 4))
    assert not any(np.array_equal(stream, other) for other in others)
