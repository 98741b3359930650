"""What training takes of the memory of a cluster's nodes."""

from pmd_pipeline.preflight.memory import TrainerMemory
from pmd_pipeline.preflight.training_nodes import Node, node_memory_findings, node_shares

GIB = 2**30
# 3 GiB that stay, 8 at the peak.
TRAINER = TrainerMemory(
    weights=GIB,
    masters=0,
    gradients=GIB,
    moments=2 * GIB,
    step_workspace=GIB,
    working_weights=0,
    activations=4 * GIB,
    logits=0,
)


def nodes(num_gpus: int = 0) -> list[Node]:
    """The run's node, and one twice as large."""
    return [
        Node(
            node_id=name,
            address=name,
            resources={"CPU": num_cpus, "GPU": num_gpus, "memory": num_cpus * 10 * GIB},
            is_the_runs=name == "first",
        )
        for name, num_cpus in (("first", 2), ("second", 4))
    ]


def test_processes_are_spread_or_packed_and_the_runs_own_reserves_no_cpu() -> None:
    def counts(num_processes: int, **options: bool) -> list[int]:
        shares = node_shares(nodes(), {"CPU": 1}, num_processes=num_processes, **options)
        return [share.num_processes for share in shares]

    assert counts(3, spread=True) == [2, 1]
    assert counts(3, spread=False) == [3]
    assert counts(7, spread=True) == [3, 4]


def test_the_runs_own_process_takes_a_gpu_of_its_node() -> None:
    shares = node_shares(nodes(2), {"CPU": 1, "GPU": 1}, num_processes=4, spread=False)
    assert [share.num_processes for share in shares] == [2, 2]


def test_shares_on_cpus_are_in_the_nodes_memory() -> None:
    """The run's own has the policy beside them, and gathers 20 GiB when no update is made."""
    shares = node_shares(nodes(), {"CPU": 1}, num_processes=3, spread=True)
    first, second = node_memory_findings(
        shares,
        TRAINER,
        whole_policy_bytes=GIB,
        optimizer_state_bytes=20 * GIB,
        is_gpu=False,
    )
    assert first.value.endswith(", 27.0 GiB of 20.0 GiB")  # 1 + 2 x 3 + 20
    assert (first.verdict, second.verdict) == ("warning", "ok")
    assert "placement: spread" in first.remedy
    assert second.value == "1 process, 8.0 GiB of 40.0 GiB"


def test_shares_on_gpus_leave_the_nodes_memory_to_what_the_run_gathers() -> None:
    shares = node_shares(nodes(2), {"CPU": 1, "GPU": 1}, num_processes=4, spread=False)
    first, second = node_memory_findings(
        shares,
        TRAINER,
        whole_policy_bytes=GIB,
        optimizer_state_bytes=2 * GIB,
        is_gpu=True,
    )
    assert first.value.endswith(", 3.0 GiB of 20.0 GiB")
    assert second.value == "2 processes, 8.0 GiB on the GPU of each"
