"""Adapters on a frozen policy: what is trained, stored, and given to the sampler."""

import copy
import importlib.util
import json
from pathlib import Path

import pytest
import torch
from helpers import make_algorithm, make_rollouts, make_setup
from safetensors.torch import load_file, save_file
from torch import Tensor

from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.policies.lora import LoraError, add_adapter, load_adapter, merge_adapter
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.storage import CheckpointError, load_policy, save_policy
from pmd_pipeline.policies.weights import named_weights
from pmd_pipeline.rollouts.batch import to_batch
from pmd_pipeline.training.passes import batch_log_probs

CPU = torch.device("cpu")
CONFIG = LoraConfig(rank=4, alpha=8)


@pytest.fixture
def adapted(tiny_policy: Policy, tmp_path: Path) -> Policy:
    """The tiny policy with an adapter that has been trained a little, its base beside it."""
    save_policy(tiny_policy, tmp_path / "initial")
    add_adapter(tiny_policy, CONFIG, base_folder=tmp_path / "initial", seed=0)
    _disturb(tiny_policy)
    return tiny_policy


def test_a_fresh_adapter_changes_nothing_and_its_seed_decides_it(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    expected = _log_probs(tiny_policy)
    twins = [copy.deepcopy(tiny_policy) for _ in range(3)]
    for twin, seed in zip(twins, (0, 0, 1), strict=True):
        add_adapter(twin, CONFIG, base_folder=tmp_path, seed=seed)
        assert torch.equal(_log_probs(twin), expected)
    states = [twin.model.state_dict() for twin in twins]
    name = "model.layers.0.mlp.up_proj.lora_A.default.weight"
    assert torch.equal(states[0][name], states[1][name])
    assert not torch.equal(states[0][name], states[2][name])


def test_only_the_adapter_is_trainable_and_it_is_on_every_linear_layer_but_the_head(
    adapted: Policy,
) -> None:
    trained = {n for n, p in adapted.model.named_parameters() if p.requires_grad}
    layers = {name.split(".lora_")[0].removeprefix("model.layers.") for name in trained}
    attention = {f"self_attn.{x}_proj" for x in "qkvo"}
    feed_forward = {f"mlp.{x}_proj" for x in ("gate", "up", "down")}
    assert layers == {f"{i}.{name}" for i in (0, 1) for name in attention | feed_forward}
    assert all(".lora_A." in name or ".lora_B." in name for name in trained)


def test_merged_weights_have_the_base_models_names_and_the_adapted_models_log_probs(
    adapted: Policy, tmp_path: Path
) -> None:
    before = {name: tensor.clone() for name, tensor in adapted.model.state_dict().items()}
    base = load_policy(tmp_path / "initial", device=CPU)
    assert (_log_probs(base) - _log_probs(adapted)).abs().max() > 0.01
    weights = dict(named_weights(adapted))
    assert list(weights) == list(base.model.state_dict())
    base.model.load_state_dict(weights)
    torch.testing.assert_close(_log_probs(base), _log_probs(adapted), rtol=0, atol=1e-5)
    assert _equal(before, adapted.model.state_dict())


def test_a_merged_weight_is_the_sum_by_hand(adapted: Policy) -> None:
    layer = adapted.model.model.layers[1].self_attn.k_proj
    change = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    expected = layer.base_layer.weight + 8 / 4 * change
    found = dict(named_weights(adapted))["model.layers.1.self_attn.k_proj.weight"]
    torch.testing.assert_close(found, expected.detach(), rtol=1e-6, atol=1e-8)
    assert not found.requires_grad


def test_a_merged_policy_is_one_without_an_adapter(adapted: Policy, tmp_path: Path) -> None:
    expected, weights = _log_probs(adapted), dict(named_weights(adapted))
    merge_adapter(adapted)
    assert adapted.base_folder is None
    assert _equal(adapted.model.state_dict(), weights)
    assert all(parameter.requires_grad for parameter in adapted.model.parameters())
    save_policy(adapted, tmp_path / "merged")
    loaded = load_policy(tmp_path / "merged", device=CPU)
    torch.testing.assert_close(_log_probs(loaded), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_a_checkpoint_holds_the_adapter_alone_and_comes_back_bit_for_bit(
    tiny_policy: Policy, tmp_path: Path, dtype: torch.dtype
) -> None:
    save_policy(tiny_policy, tmp_path / "models" / "initial")
    policy = load_policy(tmp_path / "models" / "initial", device=CPU, dtype=dtype)
    add_adapter(policy, CONFIG, base_folder=tmp_path / "models" / "initial", seed=0)
    _disturb(policy)
    policy.policy_version = 5
    state = tmp_path / "models" / "pmd_mean" / "phase_1" / "round_00001"
    manifest = save_policy(policy, state)
    assert manifest.base_path == "../../../initial"
    assert not list(state.rglob("model.safetensors"))
    # The whole tree may be moved: the base is found from where the state lies.
    moved = (tmp_path / "models").rename(tmp_path / "elsewhere")
    again = load_policy(moved / "pmd_mean" / "phase_1" / "round_00001", device=CPU, dtype=dtype)
    assert again.policy_version == 5
    assert again.base_folder == moved / "initial"
    assert _equal(again.model.state_dict(), policy.model.state_dict())
    trained = [
        {n for n, p in x.model.named_parameters() if p.requires_grad} for x in (policy, again)
    ]
    assert trained[0] == trained[1]
    assert {p.dtype for p in again.model.parameters()} == {dtype}


def test_an_adapter_whose_base_has_been_replaced_is_refused(
    adapted: Policy, tmp_path: Path
) -> None:
    save_policy(adapted, tmp_path / "state")
    base = load_policy(tmp_path / "initial", device=CPU)
    base.model.get_output_embeddings().weight.data.mul_(2)
    save_policy(base, tmp_path / "initial")
    with pytest.raises(
        CheckpointError, match=r"initial is not the one that the adapter in .*state"
    ):
        load_policy(tmp_path / "state", device=CPU)


def test_an_adapter_whose_base_is_gone_is_refused(adapted: Policy, tmp_path: Path) -> None:
    save_policy(adapted, tmp_path / "state")
    (tmp_path / "initial" / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="works only with that policy"):
        load_policy(tmp_path / "state", device=CPU)


def test_an_adapter_that_lacks_a_layer_is_refused(adapted: Policy, tmp_path: Path) -> None:
    save_policy(adapted, tmp_path / "state")
    path = tmp_path / "state" / "policy" / "adapter_model.safetensors"
    weights = load_file(path)
    del weights["base_model.model.model.layers.1.mlp.up_proj.lora_A.weight"]
    save_file(weights, path)
    base = load_policy(tmp_path / "initial", device=CPU)
    with pytest.raises(LoraError, match=r"1\.mlp\.up_proj\.lora_A.* has no counterpart"):
        load_adapter(base, path.parent, base_folder=tmp_path / "initial")


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (("q_projection",), "q_projection.* not found"),
        (("q_proj", "lm_head"), "the output head cannot be adapted"),
        (("embed_tokens",), r"model\.embed_tokens cannot be adapted"),
    ],
)
def test_layers_that_cannot_be_adapted_are_named(
    tiny_policy: Policy, tmp_path: Path, modules: tuple[str, ...], message: str
) -> None:
    config = LoraConfig(target_modules=modules)
    with pytest.raises(LoraError, match=message):
        add_adapter(tiny_policy, config, base_folder=tmp_path, seed=0)


def test_without_peft_the_error_says_how_to_install_it(
    tiny_policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(LoraError, match=r"pip install 'pmd_pipeline\[lora\]'"):
        add_adapter(tiny_policy, CONFIG, base_folder=tmp_path, seed=0)


def test_the_adapter_is_in_pefts_own_format(adapted: Policy, tmp_path: Path) -> None:
    import peft

    save_policy(adapted, tmp_path / "state")
    config = json.loads((tmp_path / "state" / "policy" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 4, 8)
    base = load_policy(tmp_path / "initial", device=CPU)
    model = peft.PeftModel.from_pretrained(base.model, str(tmp_path / "state" / "policy"))
    token_ids = torch.tensor([[1, 5, 10, 7]])
    with torch.no_grad():
        found, expected = model(token_ids).logits, adapted.model(token_ids).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def _disturb(policy: Policy) -> None:
    """Give the adapter's second factors, which begin at 0, values."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in policy.model.named_parameters():
        if ".lora_B." in name:
            values = 0.1 * torch.randn(parameter.shape, generator=generator)
            parameter.data = values.to(parameter.dtype)


def _log_probs(policy: Policy) -> Tensor:
    return batch_log_probs(
        policy, to_batch(make_rollouts()), make_setup(make_algorithm())
    ).log_probs


def _equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )
