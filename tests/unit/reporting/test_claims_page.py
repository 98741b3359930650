"""The page of claims, in HTML and in Markdown."""

import re
from pathlib import Path

import pytest
from claim_plants import CLAIMS, PLANTS, claim, planted

from pmd_pipeline.claims.results import ClaimResults, TuningOutcome, TuningTrial
from pmd_pipeline.config.claims import HeadingConfig
from pmd_pipeline.reporting.claims.judged import JudgedClaim, judged_claim
from pmd_pipeline.reporting.claims.markdown import BEGIN, END, claims_markdown, with_verdicts
from pmd_pipeline.reporting.claims.page import render_claims_page
from pmd_pipeline.reporting.claims.report import write_claims_document
from pmd_pipeline.reporting.claims.sections import claim_section

HEADING = HeadingConfig()


def _judged(name: str, outcome: str = "holds", *, num_pairs: int = 6) -> JudgedClaim:
    results = planted(PLANTS[name][outcome], num_pairs=num_pairs)
    return judged_claim(name, CLAIMS[name], results, {})


@pytest.fixture(scope="module")
def every_claim() -> tuple[JudgedClaim, ...]:
    """One of each, with whichever plant comes first."""
    return tuple(_judged(name) for name in CLAIMS)


@pytest.fixture(scope="module")
def page(every_claim: tuple[JudgedClaim, ...]) -> str:
    return render_claims_page(every_claim, HEADING)


def test_the_page_has_every_claim_with_its_verdict_figure_and_numbers(
    every_claim: tuple[JudgedClaim, ...], page: str
) -> None:
    for one in every_claim:
        assert f'<a href="#{one.name}">' in page
        assert f'<h2 id="{one.name}">' in page
        assert f'id="claim-{one.name}-data"' in page
    assert (
        page.count("The numbers</span></caption>") == page.count("The arms</span></caption>") == 10
    )


def test_the_page_needs_no_network_and_is_the_same_each_time(
    every_claim: tuple[JudgedClaim, ...], page: str
) -> None:
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert render_claims_page(every_claim, HEADING) == page


def test_what_stands_above_the_verdicts_is_declared_beside_the_claims() -> None:
    """Whose claims they are is said where it is declared, and not made up where it is not."""
    one = _judged("quick")
    ours = HeadingConfig(title="Ours & theirs", source="two papers", introduction=("Read this.",))
    page = render_claims_page([one], ours)
    assert "<h1>Ours &amp; theirs</h1>" in page
    assert "1 claim of two papers: 1 holds, 0 do not hold, 0 cannot be told." in page
    assert "<p>Read this.</p>" in page
    plain = claims_markdown([one], HEADING, images="images")
    assert "\n\n1 claim: 1 holds" in plain
    assert "paper" not in plain.partition("| claim |")[0]


def test_claims_judged_on_fewer_pairs_than_declared_say_so_twice() -> None:
    text = claims_markdown([_judged("quick")], HEADING, images="images")
    assert "Judged on fewer pairs than declared: A claim (6 of 10)." in text
    assert "**Limit.** It was judged on 6 of the 10 pairs that are declared." in text


def test_the_table_of_all_claims_has_verdict_number_and_p_value() -> None:
    text = claims_markdown([_judged("anchor", num_pairs=10)], HEADING, images="images")
    row = next(line for line in text.splitlines() if line.startswith("| A claim"))
    assert re.fullmatch(
        r"\| A claim \| holds \| tuned − no_anchor, final accuracy "
        r"\| \+0\.2\d\d \[\+0\.\d{3}, \+0\.\d{3}\] \| < 0\.0001 \| 10 of 10 \|",
        row,
    )


def test_equivalence_is_shown_with_the_p_value_of_its_own_test() -> None:
    one = _judged("matches_gspo", num_pairs=10)
    assert one.verdict.judgement is not None
    headline = one.verdict.judgement.headline
    assert headline.deciding_p < 0.05 < headline.p_value
    row = next(
        line
        for line in claims_markdown([one], HEADING, images="images").splitlines()
        if line.startswith("| A claim | holds")
    )
    assert f"| {headline.deciding_p:.2g} |" in row


def test_arms_are_shown_with_what_was_tuned_by_how_many_trials_and_at_which_end() -> None:
    declared = claim(
        {
            "kind": "difference",
            "comparisons": [{"first": "pmd_mean", "second": "grpo"}],
            "wanted": "better",
        },
        {
            "pmd_mean": {"algorithm": "pmd_mean", "tuning": "mean"},
            "grpo": {"algorithm": "grpo", "parameters": {"algorithm.clip_low": 0.2}},
        },
    )
    trials = tuple(
        TuningTrial(values={"algorithm.tau": tau, "lr": 1e-4}, accuracies=(score, score))
        for tau, score in ((0.1, 0.4), (0.2, 0.5), (0.5, 0.6))
    )
    results = planted(PLANTS["beats_grpo"]["holds"], num_pairs=2)
    one = judged_claim("beats", declared, results, {"mean": TuningOutcome(trials=trials)})
    section = claim_section(one)
    first, second = section.arms.rows
    assert first[3] == "tau 0.5, lr 0.0001 (best of 3 trials on 2 pairs; tuned to the greatest tau)"
    assert second[2:4] == ("clip_low 0.2", "–")
    assert section.limits[-1].endswith("may lie beyond: greatest tau of mean.")


def test_a_claim_without_results_is_shown_as_it_is_declared() -> None:
    empty = ClaimResults(seeds=(), arms=dict.fromkeys(CLAIMS["quick"].arms, ()), num_pairs=10)
    one = judged_claim("quick", CLAIMS["quick"], empty, {})
    text = claims_markdown([one], HEADING, images="images")
    assert "### A claim: cannot be told\n\nNo pair of seeds is complete yet." in text
    assert "![" not in text
    assert "No pair of seeds is complete yet." in render_claims_page([one], HEADING)


def test_a_document_keeps_what_stands_around_its_verdicts(tmp_path: Path) -> None:
    path, images = tmp_path / "claims.md", tmp_path / "images" / "claims"
    path.write_text(f"# Claims\n\nBefore.\n\n{BEGIN}\nformer verdicts\n{END}\n\nAfter.\n")
    judged = [_judged("few_rollouts")]
    write_claims_document(judged, HEADING, path, images)
    text = path.read_text()
    assert text.startswith(f"# Claims\n\nBefore.\n\n{BEGIN}\n\n## Verdicts\n")
    assert text.endswith(f"{END}\n\nAfter.\n")
    assert "former verdicts" not in text
    shown = re.findall(r"\]\((images/claims/\w+\.png)\)", text)
    assert "![Paired differences. slope of pmd_part − slope of pmd_mean: 0.0" in text
    assert shown == ["images/claims/few_rollouts.png", "images/claims/few_rollouts_differences.png"]
    assert sorted(images.iterdir()) == sorted(tmp_path / name for name in shown)
    write_claims_document(judged, HEADING, path, images)
    assert path.read_text() == text


def test_a_document_without_a_place_for_verdicts_is_refused() -> None:
    with pytest.raises(ValueError, match="found 0 and 0"):
        with_verdicts("# Claims\n", "text")
    with pytest.raises(ValueError, match="must come after"):
        with_verdicts(f"{END}\n{BEGIN}\n", "text")


def test_the_document_of_claims_has_its_place_for_verdicts() -> None:
    document = (Path(__file__).parents[3] / "docs" / "claims.md").read_text(encoding="utf-8")
    again = with_verdicts(document, "new verdicts\n")
    assert "new verdicts" in again
    assert again.startswith(document.partition(BEGIN)[0])
