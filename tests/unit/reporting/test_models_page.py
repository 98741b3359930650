"""The page of models that were evaluated without training."""

import pandas as pd
import pytest
from made_up_runs import made_up_completions

from pmd_pipeline.metrics.models import model_differences, model_problem_scores, model_scores
from pmd_pipeline.reporting.console import as_text
from pmd_pipeline.reporting.models_page.page import ModelPageInputs, render_model_page
from pmd_pipeline.reporting.models_page.words import console_table, lead_sentences
from pmd_pipeline.reporting.side_by_side import side_by_side


def completions(num_correct: list[int]) -> pd.DataFrame:
    made = made_up_completions(num_correct)
    return made.assign(
        problem=made["problem_id"], gold="right", response="<b>" + made["answer"], grade_reason=""
    )


COMPLETIONS = {"base": completions([0, 1] * 8), "trained": completions([4, 1] * 8)}
SCORES = model_problem_scores(COMPLETIONS, has_answers=True)
TABLES = (
    model_scores(SCORES, level=0.95),
    model_differences(SCORES, margin=0.01, alpha=0.05, level=0.95),
)
PARAMETERS = {
    "seed": 3,
    "evaluation": {"interval_level": 0.95},
    "reporting": {"num_sample_completions": 2},
    "evaluate_models": {
        "models": {
            "base": {"kind": "openai_endpoint", "credentials": "entry_of_mine", "model": "served"},
            "trained": {"kind": "pretrained", "path": "models/trained"},
        }
    },
}


def test_the_best_model_stands_first_beside_the_others() -> None:
    (sentence,) = lead_sentences(*TABLES)
    assert sentence.startswith("On aime, trained is better than base: avg@4 0.625, 0.500 [")
    table = as_text(console_table(*TABLES, level=0.95))
    assert table.index("trained") < table.index("base")


def test_problems_on_which_first_responses_differ_come_first() -> None:
    shown = side_by_side(COMPLETIONS, num_problems=9)
    assert len({problem.name for problem in shown}) == 9
    verdicts = [tuple(answer.kind for answer in problem.answers) for problem in shown]
    assert verdicts == [("wrong", "right")] * 8 + [("right", "right")]
    assert {problem.answers[1].of_all for problem in shown[:8]} == {"4 of 4 right"}
    assert side_by_side({}, num_problems=9) == []


@pytest.fixture(scope="module")
def page() -> str:
    scores, differences = TABLES
    return render_model_page(
        ModelPageInputs(
            scores=scores,
            differences=differences,
            completions=COMPLETIONS,
            about={"base": {"seeds": "not sent"}, "trained": {"checksum": "abc"}},
            parameters=PARAMETERS,
            provenance={"git commit": "123"},
        )
    )


def test_the_first_screen_is_the_scores_the_verdict_and_all_pairs(page: str) -> None:
    scores = page.index("aime: avg@4, the highest first, with 95 % intervals over problems")
    verdict = page.index("On aime, trained is better than base", scores)
    assert page.index("aime: the model of the row beside that of the column", verdict)


def test_the_page_runs_no_script_and_escapes_what_models_say(page: str) -> None:
    assert "<script" not in page
    assert "&lt;b&gt;right" in page
    assert "<b>right" not in page


def test_the_page_says_what_cannot_be_had_again(page: str) -> None:
    assert "Responses of a server (base) cannot be had again to the byte" in page
    assert "models/trained" in page
    assert "entry_of_mine" not in page
