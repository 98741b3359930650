"""How the project's configuration is read, and an environment laid over ``conf/base``."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import click
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.framework.project import settings


class ConfigurationError(click.ClickException, ValueError):
    """A folder of the configuration is missing; every ``kedro`` command shows the message alone."""


def project_loader(
    project: Path, env: str | None, runtime_parameters: Mapping[str, Any] | None = None
) -> OmegaConfigLoader:
    """Return a loader of the project's configuration, as Kedro's sessions make it.

    Args:
        project: The project's folder.
        env: The environment; None: the default one.
        runtime_parameters: As ``--params``.

    Raises:
        ConfigurationError: If there is no such environment.
    """
    loader: OmegaConfigLoader = settings.CONFIG_LOADER_CLASS(
        conf_source=str(project / settings.CONF_SOURCE),
        env=env,
        runtime_params=dict(runtime_parameters or {}),
        **settings.CONFIG_LOADER_ARGS,
    )
    return loader


class VariantConfigLoader(OmegaConfigLoader):
    """Kedro's configuration loader, with five differences.

    - A section of another ``kind`` than the base's has other keys, so it replaces the base's as a
      whole, where Kedro's ``soft`` merge goes key by key: ``rewards: {kind: import, import_path:
      ...}`` is all that an environment has to state.
    - An environment that sets no ``data_root`` has the base's, and in it a folder of its own name.
    - An unknown environment is one message. Without the default one, the base stands alone.
    - Credentials of the default environment (``conf/local``) hold for every other one too.
    - The names of the folders above the configuration are names, not search patterns.

    Raises:
        ConfigurationError: If the base or the environment is missing.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        chosen = self.env or self.default_run_env
        if not self._has(self.base_env):
            raise ConfigurationError(
                f"there is no folder {self.base_env!r} in {self.conf_source}, where the "
                "configuration is looked for; work in the project's folder, or give --conf-source"
            )
        if self._has(chosen):
            return
        if chosen != self.default_run_env:
            raise ConfigurationError(
                f"there is no environment {chosen!r}; {self.conf_source} has: "
                f"{', '.join(self._environments())}"
            )
        self.env = self.base_env
        self["globals"] = self["globals"]

    def __getitem__(self, key: str) -> dict[str, Any]:
        if key == "credentials" and key not in self:
            return self._credentials()
        return super().__getitem__(key)

    def _credentials(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        files: set[Path] = set()
        chosen = self.env or self.default_run_env
        for env in dict.fromkeys((self.base_env, self.default_run_env, chosen)):
            if self._has(env):
                found |= self.load_and_merge_dir_config(
                    self._get_conf_env_path(env),
                    self.config_patterns["credentials"],
                    "credentials",
                    files,
                    read_environment_variables=True,
                )
        if not files:
            raise MissingConfigException(f"there are no credentials in {self.conf_source}")
        return found

    def _has(self, env: str) -> bool:
        return bool(self._fs.isdir(Path(self._get_conf_env_path(env)).as_posix()))

    def _environments(self) -> list[str]:
        root = PurePosixPath(Path(self._get_conf_env_path(self.base_env)).parent.as_posix())
        names = (PurePosixPath(path).name for path in self._fs.ls(str(root), detail=False))
        return sorted(name for name in names if not name.startswith(".") and self._has(name))

    @staticmethod
    def _initialise_filesystem_and_protocol(conf_source: str) -> Any:
        filesystem, protocol = OmegaConfigLoader._initialise_filesystem_and_protocol(conf_source)
        if protocol == "file":
            filesystem = _ConfigurationFolder(root=str(conf_source))
        return filesystem, protocol

    def _merge_configs(
        self,
        config: dict[str, Any],
        env_config: dict[str, Any],
        key: str,
        env_path: str,
    ) -> Any:
        merged = super()._merge_configs(config, env_config, key, env_path)
        shares_base = self.env in (None, "", self.base_env, self.default_run_env)
        has_own = shares_base or "data_root" in env_config
        if key != "globals" or has_own or "data_root" not in config:
            return merged
        # Its results must never take the place of the base's.
        return {**merged, "data_root": f"{config['data_root']}/{self.env}"}

    @staticmethod
    def _soft_merge(
        config: dict[str, Any], env_config: dict[str, Any], env_path: str | None = None
    ) -> Any:
        merged: dict[str, Any] = OmegaConfigLoader._soft_merge(config, env_config, env_path)
        return _with_variants_replaced(merged, config, env_config)


class _ConfigurationFolder(LocalFileSystem):  # type: ignore[misc]
    """Local files, found by patterns below ``root``; fsspec would take all of a path for one."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = Path(root)

    def glob(self, path: str, **_: Any) -> list[str]:
        env, *pattern = Path(path).relative_to(self._root).parts
        folder = (self._root / env).absolute()
        matches = re.compile(glob_translate("/".join(pattern))).match
        return [
            file
            for file in self.find(folder.as_posix())
            if matches(Path(file).relative_to(folder).as_posix())
        ]


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
