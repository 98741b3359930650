"""The part of the experiment that ``kedro run`` is asked for: names that do not exist are refused.

Kedro would say that there is no such name, and pass over an unknown tag beside a known one.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from pmd_pipeline.config.evaluate_models import EVALUATE_MODELS
from pmd_pipeline.wording import counted, listed

OPTIONS = {
    "--pipelines": "pipelines",
    "--namespaces": "namespaces",
    "--tags": "tags",
    "--nodes": "node_names",
    "--from-nodes": "from_nodes",
    "--to-nodes": "to_nodes",
    "--from-inputs": "from_inputs",
    "--to-outputs": "to_outputs",
}
"""Options of ``kedro run`` that name a part, each with the name of its value."""

_NUM_NEAREST = 3
_MAX_LISTED = 40

Names = Mapping[str, Sequence[str]]
"""The names that were given, by option."""

_asked: ContextVar[Names | None] = ContextVar("asked", default=None)


class SelectionError(ValueError):
    """A part was asked for that there is not."""


@contextmanager
def selecting(asked: Names) -> Iterator[None]:
    """Check these names in runs that begin within the block."""
    token = _asked.set({option: names for option, names in asked.items() if names})
    try:
        yield
    finally:
        _asked.reset(token)


class SelectionHook:
    """Refuses unknown names when the pipelines are known, before anything else is looked at."""

    @hook_impl(tryfirst=True)
    def after_context_created(self) -> None:
        asked = _asked.get()
        if asked:
            from pmd_pipeline.pipeline_registry import register_pipelines

            check_selection(asked, register_pipelines())


def check_selection(asked: Names, pipelines: Mapping[str, Pipeline]) -> None:
    """Check that there is what a run is asked for.

    Args:
        asked: Names by option, at least one each.
        pipelines: All that are registered.

    Raises:
        SelectionError: If a name is unknown, with the nearest ones and what there is; or if no node
            is chosen by all options together.
    """
    chosen = asked.get("--pipelines", ["__default__"])
    _refuse_unknown("--pipelines", chosen, pipelines, "kedro registry list")
    pipeline = Pipeline([pipelines[name] for name in chosen])
    if not pipeline.nodes and EVALUATE_MODELS in chosen:
        raise SelectionError(
            "evaluate_models.models names no model; add some to the environment's parameters, such "
            "as models: {base: {kind: pretrained, path: models/my-model}}: see docs/evaluating.md"
        )
    everything = pipelines["__default__"]
    for option, names in asked.items():
        if option != "--pipelines":
            known = _known(option, pipeline)
            elsewhere = [name for name in names if name not in known]
            if elsewhere and set(elsewhere) <= set(_known(option, everything)):
                raise SelectionError(
                    f"{option} {','.join(elsewhere)}: {listed(chosen)} has no such part, but the "
                    "whole experiment has; leave --pipelines out"
                )
            describe = f"kedro registry describe {chosen[0]}"
            _refuse_unknown(option, names, known, describe)
    _refuse_nothing(asked, pipeline)


def _known(option: str, pipeline: Pipeline) -> list[str]:
    nodes = pipeline.nodes
    match option:
        case "--namespaces":
            namespaces = (str(node.namespace).split(".") for node in nodes if node.namespace)
            return sorted({name for parts in namespaces for name in accumulate(parts, _below)})
        case "--tags":
            return sorted({tag for node in nodes for tag in node.tags})
        case "--from-inputs" | "--to-outputs":
            return sorted(pipeline.datasets())
        case _:
            return [node.name for node in nodes]


def _below(namespace: str, name: str) -> str:
    return f"{namespace}.{name}"


def _refuse_unknown(option: str, names: Iterable[str], known: Iterable[str], describe: str) -> None:
    there_is = list(known)
    for name in names:
        if name in there_is:
            continue
        nearest = _nearest(name, there_is)
        meant = f"; did you mean {_alternatives(nearest)}?" if nearest else "."
        # Phases within training runs would be most of the list, and say little.
        shown = [known for known in there_is if known.count(".") < 2]
        if option == "--nodes" or len(shown) > _MAX_LISTED:
            others = f"There are {len(there_is)} such names; {describe} lists them"
        else:
            others = f"There are: {', '.join(shown)}"
        raise SelectionError(f"{option}: there is no {name!r}{meant} {others}.")


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    """Return the names that were probably meant: spelt alike, whole or without their namespace."""
    as_deep = [other for other in known if other.count(".") == name.count(".")]
    alike = difflib.get_close_matches(name, as_deep, n=_NUM_NEAREST)
    if not alike:
        ends = {other.rpartition(".")[2]: other for other in reversed(known)}
        alike = [ends[end] for end in difflib.get_close_matches(name, ends, n=_NUM_NEAREST)]
    return alike or difflib.get_close_matches(name, known, n=_NUM_NEAREST)


def _alternatives(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _refuse_nothing(asked: Names, pipeline: Pipeline) -> None:
    filters = {OPTIONS[option]: list(names) for option, names in asked.items()}
    filters.pop("pipelines", None)
    filters["node_namespaces"] = filters.pop("namespaces", [])
    try:
        pipeline.filter(**filters)
    except ValueError as error:
        options = [f"{option} {','.join(names)}" for option, names in asked.items()]
        raise SelectionError(
            f"no node is chosen by {listed(options)} together, of "
            f"{counted(len(pipeline.nodes), 'node')}; a run takes the nodes that all options have "
            "in common, so leave one of them out"
        ) from error
