"""The section ``algorithms`` of the parameters."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from pmd_pipeline.config.algorithms import (
    AlgorithmParameters,
    AlgorithmsConfig,
    GrpoConfig,
    GspoConfig,
    OnPolicyGradientConfig,
    PmdMeanConfig,
    PmdPartConfig,
)

BASE = Path(__file__).parents[3] / "conf" / "base" / "parameters_algorithms.yml"


def test_the_embedded_defaults_section_holds_the_five_algorithms():
    section = yaml.safe_load(BASE.read_text())
    algorithms = AlgorithmsConfig.model_validate(section["algorithms"])
    assert list(section) == ["algorithms"]
    assert [(label, type(config)) for label, config in algorithms.items()] == [
        ("pmd_mean", PmdMeanConfig),
        ("pmd_part", PmdPartConfig),
        ("grpo", GrpoConfig),
        ("gspo", GspoConfig),
        ("on_policy_gradient", OnPolicyGradientConfig),
    ]
    assert algorithms["pmd_mean"].baseline == "leave_one_out_mean"
    assert algorithms["pmd_part"].baseline == "leave_one_out_log_partition"


def test_one_kind_may_stand_under_several_labels():
    algorithms = AlgorithmsConfig.model_validate(
        {
            "pmd_mean_cold": {"kind": "pmd_mean", "tau": 0.01},
            "pmd_mean_warm": {"kind": "pmd_mean", "tau": 1},
        }
    )
    assert [config.tau for _, config in algorithms.items()] == [0.01, 1.0]


def test_one_entry_is_validated_by_itself_for_a_node():
    parameters = AlgorithmParameters.model_validate({"kind": "grpo", "clip_high": 0.28})
    assert parameters.root == GrpoConfig(clip_high=0.28)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "pmd"}, "'pmd_mean', 'pmd_part', 'grpo', 'gspo', 'on_policy_gradient'"),
        ({"tau": 0.1}, "kind"),
        ({"kind": "pmd_mean"}, r"pmd_mean\.tau\n\s+Field required"),
        ({"kind": "pmd_mean", "tau": 0}, "greater than 0"),
        ({"kind": "pmd_mean", "tau": -0.5}, "greater than 0"),
        ({"kind": "pmd_mean", "tau": float("nan")}, "finite number"),
        ({"kind": "pmd_mean", "tau": 0.1, "clip_low": 0.2}, "Extra inputs are not permitted"),
        ({"kind": "pmd_mean", "tau": 0.1, "baseline": "log_partition"}, "'leave_one_out_mean'"),
        ({"kind": "pmd_part", "tau": 0.1, "baseline": "mean"}, "'leave_one_out_log_partition'"),
        ({"kind": "pmd_mean", "tau": 0.1, "group_size": 1}, "group_size of at least 2, found 1"),
        ({"kind": "grpo", "group_size": 1}, "group_standardised leaves the rollout itself out"),
        ({"kind": "grpo", "baseline": "mean", "group_size": 1}, "every advantage is 0"),
        ({"kind": "grpo", "clip_low": 1.5}, "less than or equal to 1"),
        ({"kind": "grpo", "dual_clip": 1.0}, "greater than 1"),
        ({"kind": "pmd_part", "tau": 0.1, "partition_floor": 0}, "greater than 0"),
        ({"kind": "pmd_part", "tau": 0.1, "partition_floor": 1}, "less than 1"),
        (
            {
                "kind": "pmd_part",
                "tau": 0.1,
                "baseline": "log_partition",
                "partition_floor": 1e-8,
            },
            "bounds the leave-one-out partition alone, found the baseline log_partition",
        ),
        ({"kind": "pmd_mean", "tau": 0.1, "partition_floor": 1e-8}, "partition_floor"),
        ({"kind": "gspo", "num_mini_batches": 0}, "greater than or equal to 1"),
        ({"kind": "grpo", "prompt_filter": {"low": 1, "high": -1}}, "keeps nothing: low 1.0"),
        ({"kind": "grpo", "prompt_filter": {}}, "sets no bound"),
    ],
)
def test_a_wrong_entry_is_refused_by_a_message_that_names_its_label(entry, message):
    with pytest.raises(ValidationError, match=message) as raised:
        AlgorithmsConfig.model_validate({"my_label": entry})
    assert "my_label" in str(raised.value)


@pytest.mark.parametrize("label", ["Pmd", "2nd", "pmd-mean", "pmd.mean", ""])
def test_a_label_that_cannot_be_a_namespace_is_refused(label):
    with pytest.raises(ValidationError, match="should match pattern"):
        AlgorithmsConfig.model_validate({label: {"kind": "grpo"}})


def test_an_empty_section_is_refused():
    with pytest.raises(ValidationError, match="algorithms is empty"):
        AlgorithmsConfig.model_validate({})


def test_an_unknown_label_is_refused_with_the_known_ones():
    algorithms = AlgorithmsConfig.model_validate({"a": {"kind": "grpo"}, "b": {"kind": "gspo"}})
    with pytest.raises(ValueError, match=r"no algorithm is labelled 'c'.*a, b"):
        algorithms["c"]


def test_only_the_on_policy_gradient_samples_each_mini_batch_afresh():
    resampling = {
        config.kind
        for config in (
            PmdMeanConfig(tau=1),
            PmdPartConfig(tau=1),
            GrpoConfig(),
            GspoConfig(),
            OnPolicyGradientConfig(),
        )
        if config.resamples_each_mini_batch
    }
    assert resampling == {"on_policy_gradient"}
