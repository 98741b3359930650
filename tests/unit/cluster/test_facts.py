"""Nodes that would compute other bits."""

from dataclasses import replace

import pytest

from pmd_pipeline.cluster.errors import DifferentNodesError
from pmd_pipeline.cluster.facts import check_same, own_facts


def test_nodes_that_differ_are_named_with_both_values() -> None:
    own = own_facts("10.0.0.1")
    old = replace(own, node="10.0.0.3", torch="2.9.0", cpu_capability="AVX2")
    check_same(own, [own, replace(own, node="10.0.0.2")])
    with pytest.raises(DifferentNodesError) as caught:
        check_same(own, [old, old, replace(own, node="10.0.0.2")])
    lines = str(caught.value).splitlines()
    assert lines[1:-1] == [
        f"  10.0.0.3: torch 2.9.0, on 10.0.0.1 {own.torch}",
        f"  10.0.0.3: cpu_capability AVX2, on 10.0.0.1 {own.cpu_capability}",
    ]
