"""How an environment's parameters are merged into those of ``conf/base``."""

from collections.abc import Mapping
from typing import Any

from kedro.config import OmegaConfigLoader


class VariantConfigLoader(OmegaConfigLoader):
    """Kedro's configuration loader, which also knows what ``kind`` means.

    Kedro's ``soft`` merge goes key by key. A section of another kind than the base's has other
    keys, so it replaces the base's as a whole: ``rewards: {kind: import, import_path: ...}`` is
    all that an environment has to state.
    """

    @staticmethod
    def _soft_merge(
        config: dict[str, Any], env_config: dict[str, Any], env_path: str | None = None
    ) -> Any:
        merged: dict[str, Any] = OmegaConfigLoader._soft_merge(config, env_config, env_path)
        return _with_variants_replaced(merged, config, env_config)


def _with_variants_replaced(merged: Any, base: Any, over: Any) -> Any:
    """Return ``merged`` with each mapping of another kind than the base's as ``over`` has it."""
    if not all(isinstance(part, Mapping) for part in (merged, base, over)):
        return merged
    if "kind" in over and "kind" in base and over["kind"] != base["kind"]:
        return dict(over)
    return {
        key: _with_variants_replaced(value, base[key], over[key])
        if key in base and key in over
        else value
        for key, value in merged.items()
    }
