"""Whether a run can work, and what it will need, before it starts."""

from pmd_pipeline.preflight.findings import Finding, failures, warnings_of
from pmd_pipeline.preflight.hardware import PlannedDevices
from pmd_pipeline.preflight.plan import PreflightError, Request, plan_run, require_ready
from pmd_pipeline.preflight.rewards import check_reward
from pmd_pipeline.preflight.table import plan_table
from pmd_pipeline.preflight.workload import Assumptions

__all__ = [
    "Assumptions",
    "Finding",
    "PlannedDevices",
    "PreflightError",
    "Request",
    "check_reward",
    "failures",
    "plan_run",
    "plan_table",
    "require_ready",
    "warnings_of",
]
