"""Supervised warm start of the embedded policy.

The demonstrations make deliberate mistakes: the policy learns the skill and a habit of guessing, so
its greedy answers are right while its pass rate at temperature 1 is about one half, which
reinforcement learning can sharpen. Where another pass rate is wanted, the skill is learned from as
many worked demonstrations, but the choice between working and guessing has a weight of its own.
"""

import logging
from math import exp, log

import numpy as np

from pmd_pipeline.config.policy import WarmStartConfig
from pmd_pipeline.policies.imitation import imitate
from pmd_pipeline.policies.pass_rate import (
    PassRate,
    guess_share_for,
    measure_pass_rate,
)
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.problems.tasks.guesses import guess_share_of_demonstrator
from pmd_pipeline.problems.tasks.task import DemonstratedTask, Mistakes, mistakes_of
from pmd_pipeline.seeds import derive_seed

_logger = logging.getLogger(__name__)

TOLERANCE = 0.1
"""How far the measured pass rate may be from the wanted one, as a share of the wanted one."""

_MAX_CORRECTIONS = 4
_CORRECTION_FRACTION = 1 / 7  # of the warm start's steps
_CORRECTION_RATE = 0.1  # of its learning rate


def warm_start(
    policy: Policy,
    config: WarmStartConfig,
    task: DemonstratedTask,
    *,
    seed: int,
    held_out: frozenset[str],
) -> None:
    """Train ``policy`` in place to imitate fresh demonstrations for ``config.num_steps`` steps.

    With ``config.wanted_pass_rate``, the pass rate is measured afterwards on problems that are not
    held out, corrected in a few short phases, and noted in the model's configuration, as
    ``warm_start``.

    Args:
        policy: The embedded policy.
        config: Steps, learning rate, and how often a demonstration makes a mistake.
        task: Makes the demonstrations.
        seed: Decides the demonstrations.
        held_out: Evaluation problems, none of which may be demonstrated.

    Raises:
        ValueError: If a demonstration would reveal an evaluation problem, or no share of guesses
            gives the wanted pass rate.
    """
    mistakes = mistakes_of(config)
    rng = np.random.default_rng(seed)
    if config.wanted_pass_rate is None:
        imitate(policy, config, task, mistakes, rng, held_out=held_out)
        return
    _reach(config.wanted_pass_rate, policy, config, task, mistakes, seed=seed, held_out=held_out)


def _reach(
    wanted: float,
    policy: Policy,
    config: WarmStartConfig,
    task: DemonstratedTask,
    mistakes: Mistakes,
    *,
    seed: int,
    held_out: frozenset[str],
) -> None:
    """Warm-start to a pass rate, measure it, and correct the share of guesses by what it lacks."""
    share = guess_share_of_demonstrator(
        wanted, task, mistakes, seed=derive_seed(seed, "demonstrator"), excluded=held_out
    )
    rng = np.random.default_rng(seed)
    imitate(policy, config, task, mistakes, rng, held_out=held_out, guess_share=share)
    measured = _measure(wanted, policy, task, derive_seed(seed, "pass rate"), held_out)
    correction = config.model_copy(
        update={
            "num_steps": max(1, round(config.num_steps * _CORRECTION_FRACTION)),
            "learning_rate": config.learning_rate * _CORRECTION_RATE,
        }
    )
    for number in range(_MAX_CORRECTIONS):
        needed = guess_share_for(wanted, measured)
        if _is_near(measured.rate, wanted) or not 0 < needed < 1:
            break
        lack = _logit(needed) - _logit(measured.guess_share)
        share = 1 / (1 + exp(-_logit(share) - lack))
        imitate(policy, correction, task, mistakes, rng, held_out=held_out, guess_share=share)
        purpose = derive_seed(seed, "pass rate", number + 1)
        measured = _measure(wanted, policy, task, purpose, held_out)
    _note(wanted, measured, policy)


def _measure(
    wanted: float, policy: Policy, task: DemonstratedTask, seed: int, held_out: frozenset[str]
) -> PassRate:
    measured = measure_pass_rate(policy, task, expected=wanted, seed=seed, excluded=held_out)
    _logger.info(
        "Warm start: pass rate %.3f of %d responses, wanted %g",
        measured.rate,
        measured.num_samples,
        wanted,
    )
    return measured


def _note(wanted: float, measured: PassRate, policy: Policy) -> None:
    if not _is_near(measured.rate, wanted):
        _logger.warning(
            "The warm start was to bring the policy to a pass rate of %g, but %.3f is measured, "
            "further away than %.0f%% of it; raise "
            "policy_initialisation.policy.warm_start.num_steps, or take the measured one as it is",
            wanted,
            measured.rate,
            100 * TOLERANCE,
        )
    policy.model.config.warm_start = {
        "wanted_pass_rate": wanted,
        "measured_pass_rate": measured.rate,
        "num_samples": measured.num_samples,
        "relative_tolerance": TOLERANCE,
    }


def _is_near(rate: float, wanted: float) -> bool:
    return abs(rate - wanted) <= TOLERANCE * wanted


def _logit(share: float) -> float:
    """Return the log odds of a share, kept off 0 and 1, which no policy reaches."""
    share = min(max(share, 1e-4), 1 - 1e-4)
    return log(share / (1 - share))
