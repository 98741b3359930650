"""Whether the model can be trained and sampled from, and its shape."""

from pathlib import Path

from pmd_pipeline.config.policy import EmbeddedPolicyConfig, PolicyInitialisationConfig
from pmd_pipeline.preflight.findings import MODEL_SECTION, Finding
from pmd_pipeline.preflight.hub import Hub
from pmd_pipeline.preflight.shape import ModelShape, embedded_shape, parameter_count


def look_at_model(
    policy: PolicyInitialisationConfig,
    hub: Hub,
    *,
    given: Path | None,
    is_pinned: bool,
    backend: str | None,
) -> tuple[ModelShape | None, list[Finding]]:
    """Return the model's shape, None if it is not known, and what was found.

    Args:
        policy: Which model.
        hub: Asked whether a hub model is within reach.
        given: A config.json, or a folder with one, to plan with instead.
        is_pinned: False where the hub model's revision is a placeholder.
        backend: The rollout engine's; None if that is wrong.
    """
    if given is None and isinstance(policy.policy, EmbeddedPolicyConfig):
        shape = embedded_shape(policy.policy)
        built_here = Finding(
            section=MODEL_SECTION, subject="architecture", value="type 'qwen3'", verdict="ok"
        )
        return shape, [built_here, parameter_count(shape)]
    # With torch and all of transformers, which the embedded policy's plan does without.
    from pmd_pipeline.preflight.transformers_model import look_at_transformers_model

    return look_at_transformers_model(
        policy.policy, hub, given=given, is_pinned=is_pinned, backend=backend
    )
