"""How a model makes its logits is read off its forward pass, whatever its options are called."""

import pytest
import torch
from tiny_models import tiny_config
from transformers import AutoModelForCausalLM, BertConfig, BertLMHeadModel, Qwen3ForCausalLM
from transformers.modeling_outputs import CausalLMOutput

from pmd_pipeline.policies.logit_form import LogitForm, UnsupportedModelError, logit_form
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.preflight.model_shape import empty_model


@pytest.mark.parametrize(
    ("model_type", "options", "expected"),
    [
        ("qwen3", {}, LogitForm()),
        ("granite", {"logits_scaling": 8.0}, LogitForm(scale=0.125)),
        ("cohere", {"logit_scale": 0.3}, LogitForm(scale=0.3)),
        ("falcon_h1", {"lm_head_multiplier": 0.5}, LogitForm(scale=0.5)),
        ("gemma2", {"final_logit_softcapping": 30.0}, LogitForm(cap=30.0)),
        ("gemma2", {"final_logit_softcapping": 1.0}, LogitForm(cap=1.0)),
        ("gemma2", {"final_logit_softcapping": None}, LogitForm()),
        ("recurrent_gemma", {"logits_soft_cap": 7.0}, LogitForm(cap=7.0)),
        ("minicpm3", {"dim_model_base": 16}, LogitForm(input_scale=0.5)),
        ("opt", {}, LogitForm(trunk="model.decoder")),
        ("gpt2", {}, LogitForm(trunk="transformer")),
    ],
)
def test_scales_caps_and_trunks_are_found(
    model_type: str, options: dict[str, float], expected: LogitForm
) -> None:
    config = tiny_config(model_type)
    for name, value in options.items():
        setattr(config, name, value)
    found = logit_form(empty_model(config))
    assert found.trunk == expected.trunk
    assert found.cap == expected.cap
    assert found.scale == pytest.approx(expected.scale, rel=1e-6)
    assert found.input_scale == pytest.approx(expected.input_scale, rel=1e-6)


def test_weights_and_their_precision_make_no_difference() -> None:
    config = tiny_config("gemma2")
    loaded = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    assert logit_form(loaded) == logit_form(empty_model(config)) == LogitForm(cap=1.0)


def test_finding_it_leaves_the_model_as_it_was(tiny_policy: Policy) -> None:
    tokens = torch.tensor([[1, 5, 7]])
    before = tiny_policy.model(tokens).logits
    logit_form(tiny_policy.model)
    assert torch.equal(tiny_policy.model(tokens).logits, before)


class OddlyShifted(Qwen3ForCausalLM):
    """Adds 1 to the logit of every other token."""

    def forward(self, *arguments: object, **options: object) -> CausalLMOutput:
        output = super().forward(*arguments, **options)
        output.logits = output.logits + torch.arange(output.logits.shape[-1]) % 2
        return output


def test_logits_of_another_form_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="OddlyShifted makes its logits of its last"):
        logit_form(OddlyShifted(tiny_config("qwen3")))


def test_layers_between_the_trunk_and_the_head_are_refused() -> None:
    config = BertConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=32,
        is_decoder=True,
    )
    for model in (BertLMHeadModel(config), empty_model(config)):
        with pytest.raises(UnsupportedModelError, match="BertLMHeadModel makes its logits"):
            logit_form(model)
