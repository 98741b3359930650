"""The claims that are declared in conf/claims."""

import re
from typing import Any

import pytest
import yaml
from helpers import PROJECT

from pmd_pipeline.claims.plan import ClaimsPlan
from pmd_pipeline.config.claims import ClaimConfig, chosen_claims, parse_claims
from pmd_pipeline.config_loader import VariantConfigLoader
from pmd_pipeline.settings import CONFIG_LOADER_ARGS

CLAIMS_PAGE = PROJECT / "docs" / "claims.md"


def _read(key: str) -> dict[str, Any]:
    loader = VariantConfigLoader(str(PROJECT / "conf"), env="claims", **CONFIG_LOADER_ARGS)
    return dict(loader[key])


@pytest.fixture(scope="module")
def declared() -> ClaimsPlan:
    config = parse_claims(_read("claims"))
    return ClaimsPlan(config, chosen_claims(config, ()), _read("parameters"))


def _budgets(plan: ClaimsPlan, claim: ClaimConfig, name: str) -> dict[str, tuple[int, int]]:
    """Return rollouts and updates of each arm."""
    chosen = {tuning: trials[0].values for tuning, trials in plan.trials.items()}
    budgets = {}
    for arm, (unit, *_) in plan.claim_units(name, chosen).items():
        training = unit.experiment.training
        updates = unit.algorithm.num_mini_batches or training.num_mini_batches
        budgets[arm] = (unit.num_rollouts, training.num_rounds * updates)
    return budgets


def test_arms_that_a_claim_compares_have_equal_rollouts_and_equal_updates(
    declared: ClaimsPlan,
) -> None:
    for name, claim in declared.claims.items():
        budgets = _budgets(declared, claim, name)
        is_long = [arm.endswith("_long") for arm in budgets]
        for long in set(is_long):
            arms = [b for (arm, b) in budgets.items() if arm.endswith("_long") is long]
            assert len(set(arms)) == 1, (name, budgets)


def test_each_declared_arm_is_compared(declared: ClaimsPlan) -> None:
    shown_beside = {"mean_tau_02", "mean_tau_05", "mean_tau_2", "part_tau_02", "part_tau_05"}
    shown_beside |= {"part_tau_2", "part_n_2", "mean_n_2"}
    for name, claim in declared.claims.items():
        assert set(claim.arms) - set(claim.test.arms) <= shown_beside, name


def test_ten_pairs_are_declared_and_no_tuning_is_without_a_claim(declared: ClaimsPlan) -> None:
    assert declared.num_pairs == 10
    assert set(declared.trials) == set(parse_claims(_read("claims")).tunings)


def test_the_example_in_the_documentation_is_a_declaration() -> None:
    (example,) = re.findall(r"```yaml\n(heading.*?)```", CLAIMS_PAGE.read_text(), re.DOTALL)
    config = parse_claims(yaml.safe_load(example))
    assert config.heading.source == "our group"
    chosen = ClaimsPlan(config, config.claims, _read("parameters"))
    assert len(chosen.trials["grpo"]) == 4
