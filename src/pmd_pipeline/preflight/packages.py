"""Packages: installed, and in the range that the project was tested with."""

from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from packaging.requirements import Requirement

from pmd_pipeline.preflight.findings import Finding

SECTION = "Packages"
_DISTRIBUTION = "pmd_pipeline"


def check_packages(extras: tuple[str, ...] = ()) -> list[Finding]:
    """Compare what is installed with what this project requires.

    Args:
        extras: Optional parts that the run needs, for example ``vllm``.
    """
    wrong: list[Finding] = []
    num_right = 0
    for extra, requirement in _requirements(extras):
        problem = _problem(requirement)
        if problem is None:
            num_right += 1
            continue
        target = f"'{_DISTRIBUTION}[{extra}]'" if extra else f"'{requirement}'"
        wrong.append(
            Finding(
                section=SECTION,
                subject=requirement.name,
                value=problem,
                verdict="failure",
                remedy=f"install it: pip install {target}",
            )
        )
    shown = [name for name in ("torch", "transformers", *extras) if _version(name) is not None]
    summary = Finding(
        section=SECTION,
        subject="required",
        value=f"{num_right} in range" + "".join(f", {name} {_version(name)}" for name in shown),
        verdict="ok",
    )
    return [summary, *wrong]


def _requirements(extras: tuple[str, ...]) -> list[tuple[str, Requirement]]:
    """Return the requirements, each with the extra that it belongs to, or ``""``."""
    found: list[tuple[str, Requirement]] = []
    for line in requires(_DISTRIBUTION) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.append(("", requirement))
            continue
        found.extend(
            (extra, requirement)
            for extra in extras
            if requirement.marker.evaluate({"extra": extra})
        )
    return found


def _problem(requirement: Requirement) -> str | None:
    installed = _version(requirement.name)
    if installed is None:
        # Repackaged builds have another distribution name than the module that they install.
        module = requirement.name.replace("-", "_")
        if module.isidentifier() and find_spec(module) is not None:
            return None
        return "not installed"
    if not requirement.specifier.contains(installed, prereleases=True):
        return f"{installed} is outside {requirement.specifier}"
    return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
