"""How throughput grows from one sampler on a Ray cluster to two.

    python benchmarks/samplers.py --repeats 9

A cluster of this machine alone, samplers of one thread each, a random-weight model, responses of
ragged length cut into units of 32. The transformers engine in this process, one sampler and two
take turns; each round begins with a change of weights, which is timed apart. Needs two cores that
have nothing else to do: where they are shared, so is what is gained.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
from engine_work import MODEL_NAMES, policy_for, workloads
from tables import Column, print_table

from pmd_pipeline.cluster import session
from pmd_pipeline.config.cluster import ClusterConfig
from pmd_pipeline.config.engines import parse_engine
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.choice import make_engine
from pmd_pipeline.policies.policy import Policy

UNIT_SIZE = 32
OBJECT_STORE_GIB = 0.25
COLUMNS = (
    Column("samplers"),
    Column("change of weights, s", is_number=True),
    Column("sampling, s", is_number=True),
    Column("tokens/s", is_number=True),
    Column("against one sampler", is_number=True),
)


class Timing(NamedTuple):
    """Of one round."""

    publishing_seconds: float
    sampling_seconds: float
    num_tokens: int


def main() -> None:
    """Measure, and print medians."""
    arguments = _arguments()
    torch.set_num_threads(1)
    policy = policy_for(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        cluster = ClusterConfig(address="local", object_store_gib=OBJECT_STORE_GIB)
        session.name_cluster(cluster, Path(folder) / "ray.log")
        engines = {
            "none: this process": make_engine(
                parse_engine("transformers", {"unit_size": UNIT_SIZE})
            ),
            "one": make_engine(parse_engine("ray", _options(1))),
            "two": make_engine(parse_engine("ray", _options(2))),
        }
        try:
            timings = _measure(engines, policy, arguments.repeats)
        finally:
            for engine in engines.values():
                engine.close()
            session.leave()
    _show(timings, f"{arguments.model}, medians of {arguments.repeats} rounds", arguments.markdown)


def _options(num_samplers: int) -> dict[str, object]:
    return {
        "engine": {"backend": "transformers"},
        "num_samplers": num_samplers,
        "unit_size": UNIT_SIZE,
        "resources": {"CPU": 0.5},  # three are there at a time, and two of them work
    }


def _measure(
    engines: dict[str, RolloutEngine], policy: Policy, repeats: int
) -> dict[str, list[Timing]]:
    timings: dict[str, list[Timing]] = {name: [] for name in engines}
    for repeat in range(repeats + 1):
        for name, engine in engines.items():
            timing = _round(engine, policy)
            if repeat > 0:  # the first starts the samplers
                timings[name].append(timing)
        policy.policy_version += 1
    return timings


def _round(engine: RolloutEngine, policy: Policy) -> Timing:
    work = workloads(policy.model.config.vocab_size)[1]
    policy.model.generation_config.eos_token_id = list(work.stop_token_ids)
    started = time.perf_counter()
    version = engine.publish(policy)
    published = time.perf_counter()
    groups = engine.generate(
        work.prompts,
        version=version,
        num_samples=work.num_samples,
        sampling=SamplingConfig(max_new_tokens=work.max_new_tokens),
        seeds=range(len(work.prompts)),
    )
    return Timing(
        publishing_seconds=published - started,
        sampling_seconds=time.perf_counter() - published,
        num_tokens=sum(len(sample.token_ids) for group in groups for sample in group),
    )


def _show(timings: dict[str, list[Timing]], title: str, markdown: bool) -> None:
    seconds = {
        name: statistics.median(timing.sampling_seconds for timing in rounds)
        for name, rounds in timings.items()
    }
    # Engines take turns within a round: what slows one round down slows all of it.
    ratios = {
        name: statistics.median(
            one.sampling_seconds / timing.sampling_seconds
            for one, timing in zip(timings["one"], rounds, strict=True)
        )
        for name, rounds in timings.items()
    }
    rows = [
        (
            name,
            f"{statistics.median(timing.publishing_seconds for timing in rounds):.3f}",
            f"{seconds[name]:.3f}",
            f"{rounds[0].num_tokens / seconds[name]:,.0f}",
            f"{ratios[name]:.2f}",
        )
        for name, rounds in timings.items()
    ]
    print_table(title, COLUMNS, rows, markdown=markdown)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODEL_NAMES, default="7.5M")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--markdown", action="store_true", help="tables for a document")
    return parser.parse_args()


if __name__ == "__main__":
    main()
