"""Drawing tokens: the distribution that is asked for, and nothing that has probability zero."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.sampling import draw_tokens, processed_log_probs, uniform_streams

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0]])


def sampling(**changes: float) -> SamplingConfig:
    return SamplingConfig(max_new_tokens=4, **changes)


def test_temperature_divides_the_logits() -> None:
    expected = (LOGITS / 0.5).log_softmax(-1)
    torch.testing.assert_close(processed_log_probs(LOGITS, sampling(temperature=0.5)), expected)


def test_top_p_keeps_the_smallest_set_that_reaches_the_mass_and_renormalises() -> None:
    # Probabilities .6439, .2369, .0871, .0321: two tokens reach 0.7, one does not.
    log_probs = processed_log_probs(LOGITS, sampling(top_p=0.7))
    kept = torch.tensor([2.0, 1.0]).log_softmax(-1)
    torch.testing.assert_close(log_probs[0, :2], kept)
    assert torch.isneginf(log_probs[0, 2:]).all()


def test_top_p_below_the_best_token_keeps_that_token() -> None:
    log_probs = processed_log_probs(LOGITS, sampling(top_p=0.01))
    assert log_probs[0].tolist() == [0.0, -np.inf, -np.inf, -np.inf]


def test_top_k_keeps_the_k_best_wherever_they_stand() -> None:
    log_probs = processed_log_probs(LOGITS[:, [3, 0, 2, 1]], sampling(top_k=2))
    assert torch.isneginf(log_probs[0, [0, 2]]).all()
    torch.testing.assert_close(log_probs[0, [1, 3]], torch.tensor([2.0, 1.0]).log_softmax(-1))


def test_top_k_comes_before_top_p() -> None:
    # Of the two best, .731 and .269, the first alone reaches 0.7; of all four it would not.
    log_probs = processed_log_probs(LOGITS, sampling(top_k=2, top_p=0.7))
    assert torch.isneginf(log_probs[0, 1:]).all()


def test_drawn_tokens_follow_the_distribution() -> None:
    log_probs = LOGITS.log_softmax(-1).expand(20_000, -1)
    uniforms = torch.from_numpy(np.random.default_rng(0).random(20_000, dtype=np.float32))
    counts = draw_tokens(log_probs, uniforms).bincount(minlength=4).numpy()
    expected = LOGITS.softmax(-1)[0].double().numpy() * 20_000
    assert chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-24])
def test_a_token_of_probability_zero_is_never_drawn(uniform: float) -> None:
    log_probs = torch.tensor([[-torch.inf, 0.0, -torch.inf]])
    assert draw_tokens(log_probs, torch.tensor([uniform])).tolist() == [1]


def test_a_stream_depends_on_its_own_seed_and_sample_alone() -> None:
    together = uniform_streams([5, 9], 3, 4, torch.device("cpu"))
    alone = uniform_streams([9], 2, 4, torch.device("cpu"))
    assert torch.equal(together[3:5], alone)
    assert not torch.equal(together[3], together[4])
