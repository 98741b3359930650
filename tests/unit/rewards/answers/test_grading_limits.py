"""Hostile answers cost bounded time, are never right, and leave no process behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from pmd_pipeline.algebra import reading
from pmd_pipeline.rewards import GradingPool, GradingWorkerError, grade
from pmd_pipeline.rewards.answers.equivalence import AlgebraQuestion, Verdict
from pmd_pipeline.rewards.answers.workers import MEMORY_LIMIT_BYTES, AlgebraWorker

TOWER = r"\boxed{9^{9^{9^{9}}}}"
NEEDS_ALGEBRA = (r"\boxed{\frac{1}{\sqrt{3}}}", r"\frac{\sqrt{3}}{3}")
HOSTILE = {
    "power tower": (TOWER, "timeout"),
    "factorial": (r"\boxed{(10^9)!}", "timeout"),
    "no primitive": (r"\boxed{\int_0^1 x^{x^{x}} \sin(x^x) dx}", "wrong"),
    "power of powers": (r"\boxed{((10^{999})^{999})^{999}}", "timeout"),
    "power of decimals": (r"\boxed{3.7^{2.9^{50}}}", "timeout"),
    "exponents in a row": (r"\boxed{x" + "^2" * 900 + "}", "timeout"),
    "factorials": (r"\boxed{x5" + "!" * 1500 + "}", "unparsable"),
    "factorial of a factorial": (r"\boxed{x((300!)!)}", "timeout"),
    "binomial": (r"\boxed{x\binom{10^6}{10^5}}", "timeout"),
    "signs": (r"\boxed{" + "-" * 1900 + "5x}", "timeout"),
    "open parentheses": (r"\boxed{" + "(" * 1900 + "}", "timeout"),
    "bars": (r"\boxed{" + "|" * 900 + "x" + "|" * 900 + "}", "timeout"),
    "functions": (r"\boxed{" + r"\sin(" * 200 + "x" + ")" * 200 + "}", "timeout"),
    "many terms": (r"\boxed{" + "x+" * 300 + "y}", "timeout"),
    "many intervals": (r"\boxed{" + r"\cup".join(["(1,2)"] * 200) + "}", None),
    "sum": (r"\boxed{x\sum_{k=1}^{1000000} k^{-1}}", "timeout"),
    "long answer": (r"\boxed{" + "x+" * 100_000 + "1}", "timeout"),
    "balanced braces": (r"\boxed{" + "{" * 5000 + "5" + "}" * 5001, "timeout"),
    "open braces": (r"\boxed{" + "{" * 5000 + "5", "no_answer"),
    "long text": ("because " * 25_000, "no_answer"),
    "deep fractions": (r"\boxed{" + r"\frac{1}{" * 150 + "5" + "}" * 151, None),
    "deep parentheses": (r"\boxed{" + "(" * 900 + "6" + ")" * 900 + "}", None),
    "null bytes": ("\\boxed{5\x00}", "unparsable"),
    "lone surrogate": ("\\boxed{\ud800 5}", "unparsable"),
}


SLOW = (
    r"\boxed{\int_0^2 x^{x^{x}} \sin(x^x) dx}",
    r"\int_0^1 x^{x^{x}} \sin(x^x) dx",
)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(120)
def test_hostile_answer_is_wrong_and_does_not_hang(name: str) -> None:
    response, reason = HOSTILE[name]
    graded = grade(response, "5", timeout_seconds=0.5)
    assert not graded.correct
    assert graded.reason == reason or (reason is None and graded.reason != "correct")


def test_hostile_answer_on_an_answer_line_is_a_timeout_too() -> None:
    graded = grade("Answer: $9^{9^{9^{9}}}$", "5", "answer_line", timeout_seconds=0.5)
    assert graded.reason == "timeout"


def test_hostile_answer_is_right_when_it_is_the_reference_answer() -> None:
    assert grade(TOWER, "9^{9^{9^9}}").correct


@pytest.mark.parametrize("name", [n for n, (_, reason) in HOSTILE.items() if reason == "timeout"])
def test_what_is_too_large_is_refused_before_a_process_is_asked(name: str) -> None:
    with GradingPool(num_workers=1) as pool:
        for gold in ("5", r"\sqrt{2} + x", "y = 2x + 3"):
            assert pool.grade_many([HOSTILE[name][0]], [gold])[0].reason in ("timeout", "wrong")
        assert pool.worker_pids == []


def test_worker_is_replaced_after_a_timeout_and_order_is_kept() -> None:
    responses = [SLOW[0], NEEDS_ALGEBRA[0], r"\boxed{7}", NEEDS_ALGEBRA[0], r"\boxed{2\sqrt{3}}"]
    golds = [SLOW[1], NEEDS_ALGEBRA[1], "7", r"\sqrt{3}", r"\sqrt{12}"]
    with GradingPool(num_workers=1, timeout_seconds=0.8) as pool:
        grades = pool.grade_many(responses, golds)
        replaced = pool.worker_pids
        again = pool.grade_many(responses, golds)
        assert pool.worker_pids != replaced
    assert [g.reason for g in grades] == ["timeout", "correct", "correct", "wrong", "correct"]
    assert again == grades


def test_timeout_covers_neither_queueing_nor_starting_a_process() -> None:
    count = 12
    with GradingPool(num_workers=1, timeout_seconds=0.9) as pool:
        golds = [rf"\frac{{{k}\sqrt{{3}}}}{{3}}" for k in range(1, count + 1)]
        grades = pool.grade_many(
            [rf"\boxed{{\frac{{{k}}}{{\sqrt{{3}}}}}}" for k in range(1, 13)], golds
        )
    assert all(g.correct for g in grades)


def test_worker_killed_from_outside_is_replaced() -> None:
    with GradingPool(num_workers=1, timeout_seconds=30) as pool:
        assert pool.grade_many(*[[part] for part in NEEDS_ALGEBRA])[0].correct
        os.kill(pool.worker_pids[0], signal.SIGKILL)
        time.sleep(0.2)
        assert pool.grade_many(*[[part] for part in NEEDS_ALGEBRA])[0].correct


def test_closed_pool_leaves_no_process_and_refuses_work() -> None:
    with GradingPool(num_workers=2, timeout_seconds=30) as pool:
        pool.grade_many([NEEDS_ALGEBRA[0], r"\boxed{2\sqrt{3}}"], [NEEDS_ALGEBRA[1], r"\sqrt{12}"])
        pids = pool.worker_pids
    assert pids
    assert not any(is_alive(pid) for pid in pids)
    pool.close()
    with pytest.raises(ValueError, match="closed"):
        pool.grade_many([NEEDS_ALGEBRA[0]], [NEEDS_ALGEBRA[1]])


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_no_worker_outlives_a_killed_run(busy: bool) -> None:
    script = textwrap.dedent(
        r"""
        import sys, threading
        from pmd_pipeline.rewards import GradingPool
        pool = GradingPool(num_workers=1, timeout_seconds=0.5)
        pool.grade_many([r"\boxed{\frac{1}{\sqrt{3}}}"], [r"\frac{\sqrt{3}}{3}"])
        if sys.argv[1] == "busy":
            threading.Thread(
                target=pool.grade_many,
                args=(
                    [r"\boxed{\int_0^2 x^{x^{x}} \sin(x^x) dx}"],
                    [r"\int_0^1 x^{x^{x}} \sin(x^x) dx"],
                ),
            ).start()
        print(pool.worker_pids[0], flush=True)
        input()
        """
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script, "busy" if busy else "idle"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert run.stdout is not None
    worker = int(run.stdout.readline())
    assert is_alive(worker)
    time.sleep(0.3)
    run.kill()
    run.communicate()
    assert wait_until_gone([worker], seconds=15)


def test_interpreter_ends_although_the_shared_worker_was_never_closed() -> None:
    script = r"""
import psutil
from pmd_pipeline.rewards import grade
assert grade(r"\boxed{\frac{1}{\sqrt{3}}}", r"\frac{\sqrt{3}}{3}").correct
[worker] = psutil.Process().children()
print(worker.pid)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert wait_until_gone([int(done.stdout)], seconds=15)


def test_worker_imports_neither_the_main_module_nor_heavy_libraries(tmp_path: Path) -> None:
    """Modules by the names of those libraries are there first, and write down that they came."""
    for name in ("torch", "kedro", "mlflow", "transformers", "pydantic"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / 'imported')!r}, 'a').write('{name} ')\n"
        )
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pmd_pipeline.rewards import grade\n"
        f"open({str(tmp_path / 'imported')!r}, 'a').write('main ')\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        r"print(grade(r'\boxed{2\sqrt{3}}', r'\sqrt{12}').correct)"
    )
    done = subprocess.run([sys.executable, "-P", str(script)], capture_output=True, timeout=60)
    assert done.stdout.split() == [b"True"], done.stderr
    assert (tmp_path / "imported").read_text() == "main "


def test_script_without_a_main_guard_can_grade(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pmd_pipeline.rewards import grade\n"
        r"print(grade(r'\boxed{2\sqrt{3}}', r'\sqrt{12}').correct)"
        "\n"
    )
    (tmp_path / "sympy.py").write_text("raise ImportError('a file that happens to lie here')\n")
    done = subprocess.run(
        [sys.executable, "-P", str(script)], capture_output=True, cwd=tmp_path, timeout=60
    )
    assert done.stdout.split() == [b"True"], done.stderr


def test_grading_works_off_the_main_thread_and_from_many_threads() -> None:
    found: list[bool] = []

    def work(k: int) -> None:
        found.append(grade(rf"\boxed{{{k}\sqrt{{12}}}}", rf"{2 * k}\sqrt{{3}}").correct)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 6


def test_forked_child_uses_processes_of_its_own() -> None:
    script = r"""
import os
from pmd_pipeline.rewards import grade
question = r"\boxed{2\sqrt{3}}", r"\sqrt{12}"
assert grade(*question).correct
child = os.fork()
if child == 0:
    os._exit(0 if grade(r"\boxed{3\sqrt{3}}", r"\sqrt{27}").correct else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert grade(*question).correct
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_numbers_start_no_process() -> None:
    responses = [rf"4+9+0=13;7+8+1=16;\boxed{{{k}}}" for k in range(10_000)]
    with GradingPool() as pool:
        grades = pool.grade_many(responses, [str(k - k % 2) for k in range(10_000)])
        assert pool.worker_pids == []
    assert [g.correct for g in grades] == [k % 2 == 0 for k in range(10_000)]


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="only Linux tells limits so")
def test_memory_of_a_worker_is_bounded() -> None:
    worker = AlgebraWorker()
    try:
        assert worker.ask(AlgebraQuestion(r"\sqrt{12}", (r"2\sqrt{3}",)), 20.0) is Verdict.EQUAL
        limits = Path(f"/proc/{worker.pid}/limits").read_text().splitlines()
        address_space = next(line for line in limits if line.startswith("Max address space"))
        assert address_space.split()[3] == str(MEMORY_LIMIT_BYTES)
    finally:
        worker.kill()


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_comparison_out_of_memory_or_depth_is_one_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(text: str) -> None:
        raise error

    monkeypatch.setattr(reading, "read", fail)
    assert reading.compare("5", ["x"]) == "limit"


def test_process_that_cannot_start_is_an_error_that_quotes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "latex2sympy2_extended.py").write_text("raise ImportError('not that parser')")
    monkeypatch.syspath_prepend(tmp_path)
    with (
        GradingPool(num_workers=1) as pool,
        pytest.raises(GradingWorkerError, match="not that parser"),
    ):
        pool.grade_many(*[[part] for part in NEEDS_ALGEBRA])


def test_equal_answers_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[AlgebraQuestion] = []
    ask = AlgebraWorker.ask

    def counted(self: AlgebraWorker, question: AlgebraQuestion, timeout_seconds: float) -> Verdict:
        asked.append(question)
        return ask(self, question, timeout_seconds)

    monkeypatch.setattr(AlgebraWorker, "ask", counted)
    with GradingPool(num_workers=1, timeout_seconds=30) as pool:
        grades = pool.grade_many(
            [NEEDS_ALGEBRA[0], r"\boxed{2\sqrt{3}}"] * 20, [NEEDS_ALGEBRA[1], r"\sqrt{12}"] * 20
        )
    assert len(asked) == 2
    assert all(g.correct for g in grades)


def test_errors_of_the_caller_are_named() -> None:
    with pytest.raises(ValueError, match="reference answer is empty"):
        grade(r"\boxed{5}", " ")
    with pytest.raises(ValueError, match="2 responses but 1"):
        GradingPool().grade_many(["a", "b"], ["5"])
    with pytest.raises(ValueError, match=r"num_workers.*0"):
        GradingPool(num_workers=0)
    with pytest.raises(ValueError, match=r"timeout_seconds.*-1"):
        GradingPool(timeout_seconds=-1)


def test_no_responses_have_no_grades() -> None:
    assert GradingPool().grade_many([], []) == []
