"""The transformers engine with copies of the policy on other nodes: the driver's side."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch

from pmd_pipeline.config.engines import HostedTransformersConfig
from pmd_pipeline.engines.copied_policy import Tensors, skeleton_of, tensors_file
from pmd_pipeline.engines.hosted import HostedEngine, Order, Publication, Ship
from pmd_pipeline.engines.lengths import max_positions
from pmd_pipeline.engines.probe import ProbeText, tolerance_of
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy


class HostedCopies(HostedEngine):
    """See :class:`HostedEngine`. The copies compute the policy's own bits."""

    target = "pmd_pipeline.engines.copy_sampler:CopySampler"
    runs_policy_model = True

    def __init__(self, config: HostedTransformersConfig) -> None:
        self.timeout_seconds = config.timeout_seconds
        self._config = config
        self._policy: Policy | None = None
        self._start: list[Order] = []

    def num_gpus(self, policy: Policy) -> int:
        """Return one where the trainer has one: the policy's own bits come from the same device."""
        return 1 if policy.device.type == "cuda" else 0

    def publication(self, policy: Policy, ship: Ship, *, num_gpus: int) -> Publication:
        """Ship what training changes, and for a new policy the rest as well, once."""
        is_new = policy is not self._policy
        if is_new:
            self.forget()
            start = Order(
                method="start",
                arguments={
                    "skeleton": skeleton_of(policy),
                    "config": self._config,
                    "device": "cuda" if num_gpus else "cpu",
                    "num_threads": torch.get_num_threads(),
                },
            )
            self._start = [start, _load(policy, "frozen", ship)]
            self._policy = policy
        load = _load(policy, "trained", ship)
        for_new = [*self._start, load]
        return Publication(
            version=policy.policy_version,
            for_new=for_new,
            for_others=for_new if is_new else [load],
        )

    def forget(self) -> None:
        """Have the next publication ship all of the policy."""
        self._policy = None
        self._start = []

    def unit_arguments(self, unit: Unit, policy: Policy, version: int) -> dict[str, Any]:
        return {"unit": unit, "version": version}

    def score_arguments(
        self, prompts: Sequence[Sequence[int]], num_tokens: int, version: int
    ) -> dict[str, Any]:
        return {"prompts": prompts, "max_new_tokens": num_tokens, "version": version}

    def probe_texts(self, scored: Any) -> list[ProbeText]:
        return cast(list[ProbeText], scored)

    def prove_trainer(self, policy: Policy, texts: Sequence[ProbeText]) -> None:
        """Each copy's engine has done so before it scored."""

    def tolerance(self, policy: Policy) -> float:
        return tolerance_of(policy)

    def length_limit(
        self, policy: Policy, ask: Callable[[str], list[Any]]
    ) -> tuple[int | None, str]:
        return max_positions(policy), "positions of the model"


def _load(policy: Policy, which: Tensors, ship: Ship) -> Order:
    with tensors_file(policy, which) as path:
        shipped = ship(path.parent)
    return Order(
        method="load_folder",
        arguments={"version": policy.policy_version},
        files={"folder": shipped},
    )
