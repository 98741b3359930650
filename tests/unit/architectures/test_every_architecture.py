"""Every architecture of the installed transformers: right, or refused by name."""

import pytest
import transformers
from architectures import PAGE, Agreement, agreement, refusal, render_page
from tiny_models import MODEL_TYPES, tiny_model

# What differs in the state between tokens, in the logits or in the positions.
FAMILIES = (
    "deepseek_v4",  # compressed keys and values, which the library's reorder_cache forgets
    "falcon_h1",  # lm_head_multiplier; attention and a state space in one layer
    "gemma2",  # a soft cap of exactly 1; windows
    "granite",  # logits_scaling
    "jamba",  # a state space, attention and experts
    "lfm2",  # convolutions
    "mamba2",  # no attention
    "minicpm3",  # a factor before the head
    "minimax",  # a cache of its own class
    "opt",  # a trunk below the base model; learned positions
    "qwen3_5_text",  # a gated delta rule
    "qwen4_exp_text",  # positions in the cache
    "recurrent_gemma",  # states in the modules; a soft cap under another name
    "zamba2",  # a step for one token that differs from the step for many
)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    """Tiny configurations contradict what the library warns about."""
    transformers.utils.logging.set_verbosity_error()


def assert_right(found: Agreement) -> None:
    assert found.trainer < 1e-4
    assert found.sampler < 1e-4
    assert found.gradient < 1e-4


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_telling_family_is_right(model_type: str) -> None:
    assert refusal(model_type) is None
    assert_right(agreement(tiny_model(model_type)))


@pytest.mark.parametrize(
    ("model_type", "reason"),
    [
        ("bert", "BertLMHeadModel makes its logits of its last hidden states by other means"),
        ("rwkv", "divides some of its weights"),
        ("xlnet", "both directions"),
    ],
)
def test_what_would_be_wrong_is_refused_by_name(model_type: str, reason: str) -> None:
    message = refusal(model_type)
    assert message is not None
    assert message.startswith(f"models of type '{model_type}' are not supported: ")
    assert reason in message


def test_the_page_names_every_architecture() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in MODEL_TYPES if f"`{name}`" not in page] == []


@pytest.mark.architectures
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_an_architecture_is_right_or_refused(model_type: str) -> None:
    if refusal(model_type) is None:
        assert_right(agreement(tiny_model(model_type)))


@pytest.mark.architectures
def test_the_page_says_what_was_found() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), "make docs-models writes it anew"
