"""What an engine with weights of its own samples from at the moment."""

from collections.abc import Sequence
from dataclasses import dataclass

from pmd_pipeline.engines.probe import Probe
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy


@dataclass(slots=True)
class Published:
    """The policy that was published last, and what samplers are probed with.

    Attributes:
        policy: None: there was none, or the engine is closed.
        version: Of the weights that the samplers have; None while they have none, or those of
            different versions.
        probe: None until the first units are there: see :meth:`first_probe`.
    """

    policy: Policy | None = None
    version: int | None = None
    probe: Probe | None = None

    def is_up_to_date(self, policy: Policy) -> bool:
        """Return whether the samplers have a policy's present weights."""
        return policy is self.policy and policy.policy_version == self.version

    def check_version(self, version: int) -> Policy:
        """Return the policy.

        Raises:
            ValueError: If there is none, or the samplers do not have this version.
        """
        if self.policy is None:
            raise ValueError("the engine has no policy: call publish first")
        if version != self.version:
            raise ValueError(
                f"version {version} of the policy is to be sampled from, but the engine has "
                f"{'none' if self.version is None else f'version {self.version}'}: publish it first"
            )
        return self.policy

    def first_probe(self, units: Sequence[Unit]) -> Probe | None:
        """Take the probe from the first units that there are; return it only then."""
        if self.probe is not None or not units:
            return None
        self.probe = Probe.of(units[0])
        return self.probe
