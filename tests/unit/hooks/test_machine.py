"""What the last digits of results depend on."""

from pathlib import Path

import pytest

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.hooks.machine import differences, machine_facts

CPU_INFO = """\
processor\t: 0
vendor_id\t: GenuineIntel
flags\t\t: fpu sse4_2 {flags}

processor\t: 1
vendor_id\t: other
"""


def facts(tmp_path: Path, flags: str, **compute: int) -> dict[str, str]:
    path = tmp_path / "cpuinfo"
    path.write_text(CPU_INFO.format(flags=flags))
    return machine_facts(ComputeConfig.model_validate(compute), cpu_info=path)


@pytest.mark.parametrize(
    ("flags", "instructions"),
    [
        ("", "default"),
        ("avx2", "default"),
        ("avx2 fma", "AVX2"),
        ("avx2 fma avx512f avx512bw avx512dq avx512vl", "AVX512"),
        ("avx2 fma avx512f", "AVX2"),
    ],
)
def test_instructions_are_those_that_torch_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, instructions: str
) -> None:
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    found = facts(tmp_path, flags)
    assert found["instructions"] == instructions
    assert "GenuineIntel" in found["processor"]
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    assert facts(tmp_path, flags)["instructions"] == "avx2"


def test_this_machines_instructions_are_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    capability = torch.backends.cpu.get_cpu_capability()
    if capability not in ("AVX512", "AVX2", "DEFAULT"):
        pytest.skip(f"not a processor of this kind: {capability}")
    assert machine_facts(ComputeConfig())["instructions"].upper() == capability


def test_threads_are_those_asked_for_or_as_many_as_there_are_cores(tmp_path: Path) -> None:
    assert facts(tmp_path, "", num_threads=3)["threads"] == "3"
    assert "cores" in facts(tmp_path, "")["threads"]
    assert machine_facts(ComputeConfig(), cpu_info=tmp_path / "none")["instructions"] == "default"


def test_only_what_differs_is_named() -> None:
    former = {"torch": "2.12", "threads": "1"}
    assert differences(former, {"torch": "2.13", "threads": "1"}) == ["torch 2.13, before 2.12"]
    assert differences(former, {"jax": "1"}) == ["jax 1, before unknown"]
    assert differences({}, {"torch": "2.13"}) == []
