"""What `kedro regrade` shows."""

import pandas as pd

from pmd_pipeline.pipelines.evaluation.regrading import changes_table
from pmd_pipeline.reporting.console import as_text


def test_the_changes_are_a_table_of_metrics_and_a_line_per_grade() -> None:
    """Two problems of two samples; one grade turns right, so avg@2 goes from 0.5 to 0.75."""
    former = pd.DataFrame(
        {
            "eval_set": "add3",
            "problem_id": ["p1", "p1", "p2", "p2"],
            "sample_index": [0, 1, 0, 1],
            "response": "",
            "answer": ["3", "1/2", "7", "7"],
            "gold": ["3", "0.5", "7", "8"],
            "correct": [True, False, True, False],
            "grade_reason": ["equal", "different", "equal", "different"],
            "truncated": False,
            "num_tokens": 5,
        }
    )
    regraded = former.assign(correct=[True, True, True, False])
    lines = as_text(changes_table(former, regraded)).splitlines()
    assert lines[:4] == [
        "4 completions, 1 grades changed",
        "",
        "evaluation set  metric                k  before   after",
        "--------------- --------------------- -- ------- ------",
    ]
    assert [line.split() for line in lines[4:] if "avg_at_k" in line] == [
        ["add3", "avg_at_k", "2", "0.5000", "0.7500"]
    ]
    assert lines[-1] == "p1#1: answer '1/2', reference '0.5': now right"
