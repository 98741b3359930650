"""The report: complete, safe, self-contained and the same every time."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pandas as pd
import pytest

from pmd_pipeline.config.reporting import ReportingConfig
from pmd_pipeline.metrics.pairs import compare_pairs
from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.run_page.page import ReportInputs, render_report

HOSTILE = '</pre></script><script>alert("boo")</script><img src=x onerror=alert(1)>'


def make_figure(name: str) -> InteractiveFigure:
    """Return a figure of one line."""
    return InteractiveFigure(data=[{"x": [0, 1], "y": [0, 1], "name": name}], layout={})


class Page(HTMLParser):
    """What a browser makes of a page: its elements, and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: dict[str, str] = {}
        self._inside = ""
        self._script_id = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        self._script_id = dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[self._script_id] = data
        elif self._inside != "style":
            self.words.append(data)

    def text(self) -> str:
        """Return the visible text, white space collapsed."""
        return " ".join(" ".join(self.words).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


@pytest.fixture
def inputs(
    comparison: pd.DataFrame,
    round_metrics: pd.DataFrame,
    gains: pd.DataFrame,
    scores: pd.DataFrame,
    pairs: pd.DataFrame,
    stage_times: pd.DataFrame,
    initial_completions: pd.DataFrame,
    final_completions: dict[str, pd.DataFrame],
) -> ReportInputs:
    figure = make_figure("exact")
    return ReportInputs(
        comparison=comparison,
        round_metrics=round_metrics,
        gains=gains,
        scores=scores,
        pairs=pairs,
        completions={INITIAL_POLICY: initial_completions, **final_completions},
        stage_times=stage_times,
        data_report={
            "num_rows_in": 17917,
            "sets": {"train": {"num_kept": 17398}, "add3": {"num_kept": 30}},
            "decontaminated": [{"problem_id": "only-in-the-table-of-overlaps"}],
        },
        decontaminated_problems=pd.DataFrame(
            {
                "problem_id": [f"dapo-{i}" for i in range(60)],
                "eval_problem_id": "aime-7",
                "rule": "exact",
            }
        ),
        parameters={"training": {"optimizer": {"learning_rate": 4e-4}}},
        provenance={"seed": 7, "created": "2026-01-02 03:04 UTC", "packages": {"torch": "2.13.0"}},
        extra_figures=[("Figure 1: the gap", figure, "How far the two are apart.")],
    )


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    """The page of ``inputs``, once it is made."""
    return {}


@pytest.fixture
def html(inputs: ReportInputs, rendered: dict[str, str]) -> str:
    """The page of ``inputs``, which are the same in every test, made once."""
    if not rendered:
        rendered["page"] = render_report(inputs, ReportingConfig())
    return rendered["page"]


def test_the_page_holds_every_section(inputs: ReportInputs) -> None:
    """Headings come in reading order, and every link in the page leads somewhere."""
    page = Page(render_report(inputs, ReportingConfig(title="A comparison")))
    ids = [attributes["id"] for tag, attributes in page.elements if tag == "h2"]
    assert ids == [
        "summary",
        "curves",
        "evaluation",
        "seeds",
        "samples",
        "time",
        "theory",
        "data",
        "run",
        "reading",
    ]
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == [f"#{name}" for name in ids]
    assert page.count("h1") == 1
    text = page.text()
    for words in (
        "A comparison",
        "On add3, on_policy_gradient",
        "95 % intervals over 3 training seeds and problems",
        "add3: the algorithm of a row beside that of a column",
        "How often a run of the first algorithm scores above one of the second",
        "Figure 1: the gap",
        "How far the two are apart.",
        "17398",
        "training. optimizer. learning_ rate",
        "0.0004",
        "2.13.0",
        "1 − C(n − c, k) / C(n, k)",
    ):
        assert words in text


def test_the_page_loads_nothing_from_elsewhere(html: str) -> None:
    """No element names a source, links lead into the page, and the browser is told to refuse."""
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        for name in ("src", "srcset", "data", "action", "poster"):
            assert name not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    style = files("pmd_pipeline.reporting").joinpath("templates/report.css").read_text()
    assert "url(" not in style
    assert "@import" not in style
    policies = [
        attributes["content"]
        for tag, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies
    assert "default-src 'none'" in str(policies[0])


def test_the_same_inputs_give_the_same_page(inputs: ReportInputs, html: str) -> None:
    """Nothing in the page is drawn at random or taken from the clock."""
    assert render_report(inputs, ReportingConfig()) == html


def test_hostile_texts_are_shown_and_not_run(inputs: ReportInputs, html: str) -> None:
    """Markup in responses, problems, titles, names and figures comes out as text."""
    harmless = Page(html)
    completions = {
        name: table.assign(
            response=HOSTILE, problem=HOSTILE, answer=HOSTILE, gold=HOSTILE, grade_reason=HOSTILE
        )
        for name, table in inputs.completions.items()
    }
    figure = make_figure(HOSTILE)
    hostile = replace(
        inputs,
        completions=completions,
        data_report={**inputs.data_report, "num_rows_in": HOSTILE},
        parameters={"training": {"optimizer": {"learning_rate": HOSTILE}}},
        provenance={**inputs.provenance, "seed": HOSTILE},
        extra_figures=[(HOSTILE, figure, HOSTILE)],
    )
    page = Page(render_report(hostile, ReportingConfig(title=HOSTILE)))
    for tag in ("script", "img", "pre"):
        assert page.count(tag) == harmless.count(tag)
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert HOSTILE in page.text()
    assert json.loads(page.scripts["extra-0-data"])["data"][0]["name"] == HOSTILE


def test_each_curve_is_drawn_from_its_data(inputs: ReportInputs, html: str) -> None:
    """Every plot has its JSON beside it, a line per algorithm, and a description."""
    page = Page(html)
    plots = [
        attributes
        for tag, attributes in page.elements
        if tag == "div" and attributes.get("class") == "plot"
    ]
    assert len(plots) == 9 + 1 + 1 + 1 + 1
    for plot in plots:
        assert f"{plot['id']}-data" in page.scripts
        assert plot["aria-label"]
        assert plot["role"] == "img"
    traces = json.loads(page.scripts["entropy-data"])["data"]
    assert [trace["name"] for trace in traces] == inputs.comparison["algorithm"].unique().tolist()
    expected = inputs.round_metrics.query("algorithm == 'grpo'")["entropy"].tolist()
    assert traces[2]["y"] == pytest.approx(expected, rel=1e-5)


def test_the_first_screen_is_the_gains_the_verdict_and_all_pairs(html: str) -> None:
    """In this order, for each evaluation set, before anything else is said."""
    text = Page(html).text()
    start = text.index("add3: gain of avg@4 over the initial policy, the largest first")
    verdict = text.index("On add3, on_policy_gradient", start)
    pairs = text.index("add3: the algorithm of a row beside that of a column", verdict)
    assert text.index("5 algorithms (pmd_mean,", pairs) > text.index(
        "carries: gain of avg@4", pairs
    )
    assert "Look for filled points" in text


def test_a_figure_has_a_legend_of_its_own_that_wraps(inputs: ReportInputs) -> None:
    """A button per label, which hides what bears it in this figure alone; one label needs none."""
    traces = [
        {"mode": "lines", "name": name, "line": {"color": "#0077bb"}, "showlegend": True}
        for name in ("a <b>", "c")
    ]
    figures = [
        ("A", InteractiveFigure(data=traces, layout={}), "B"),
        ("C", InteractiveFigure(data=traces[:1], layout={}), "D"),
    ]
    page = Page(render_report(replace(inputs, extra_figures=figures), ReportingConfig()))
    legends = [a.get("data-plot") for _, a in page.elements if a.get("class") == "legend"]
    assert [plot for plot in legends if str(plot).startswith("extra")] == ["extra-0"]
    groups = [a["data-group"] for tag, a in page.elements if tag == "button"]
    assert groups[-2:] == ["a <b>", "c"]


def test_every_table_has_a_caption_and_rows_as_long_as_its_head(html: str) -> None:
    """Tables are accessible: captions, scopes, no ragged rows."""
    page = Page(html)
    assert page.count("table") == page.count("caption")
    cells = 0
    width = 0
    for tag, attributes in page.elements:
        if tag == "thead":
            width = 0
        elif tag == "th" and attributes["scope"] == "col":
            width += 1
        elif tag == "tr":
            assert cells in (0, width)
            cells = 0
        if tag in ("td", "th") and attributes.get("scope") != "col":
            cells += 1
        if tag == "table":
            cells = 0


def test_completions_are_as_many_as_asked_for(inputs: ReportInputs) -> None:
    """Four problems, each with a response of the initial policy and of the five algorithms."""

    def num_verdicts(num_samples: int) -> int:
        page = Page(render_report(inputs, ReportingConfig(num_sample_completions=num_samples)))
        return sum(attributes.get("class") in ("right", "wrong") for _, attributes in page.elements)

    assert num_verdicts(4) == 4 * 6
    assert num_verdicts(0) == 0


def test_long_responses_are_folded_and_complete(inputs: ReportInputs) -> None:
    """A response of 5,000 characters is behind its beginning, its end and its length."""
    response = "x" * 4999 + "y"
    table = inputs.completions["grpo"].assign(response=response)
    html = render_report(replace(inputs, completions={"grpo": table}), ReportingConfig())
    assert f"<details><summary>{'x' * 200} … {'x' * 149}y <span" in html
    assert "(all 5000 characters)" in html
    assert f"<pre>{response}</pre>" in html


def test_a_response_without_an_answer_says_so(inputs: ReportInputs) -> None:
    """A missing answer is a dash, not the word None."""
    table = inputs.completions["grpo"].assign(answer=None)
    page = Page(render_report(replace(inputs, completions={"grpo": table}), ReportingConfig()))
    assert "answer –" in page.text()
    assert "answer None" not in page.text()


def test_dropped_overlaps_are_counted_and_the_first_ones_listed(inputs: ReportInputs) -> None:
    """60 overlaps, 3 listed, and the report's own list is not shown a second time."""
    page = Page(render_report(inputs, ReportingConfig(num_listed_overlaps=3)))
    text = page.text()
    assert "60 train problems dropped as copies of evaluation problems, the first 3 of them" in text
    assert "dapo-2" in text
    assert "dapo-3" not in text
    assert "only-in-the-table-of-overlaps" not in text


def test_an_experiment_without_the_optional_parts_has_a_page(inputs: ReportInputs) -> None:
    """The tables of the comparison, rounds and times are enough; empty sections are left out."""
    least = ReportInputs(
        comparison=inputs.comparison,
        round_metrics=inputs.round_metrics,
        gains=inputs.gains,
        pairs=inputs.pairs,
        scores=inputs.scores,
        stage_times=inputs.stage_times,
    )
    page = Page(render_report(least, ReportingConfig()))
    ids = [attributes["id"] for tag, attributes in page.elements if tag == "h2"]
    assert ids == ["summary", "curves", "evaluation", "seeds", "time", "run", "reading"]
    assert "samples anew" not in page.text()


def test_only_what_was_trained_is_said_to_sample_anew(inputs: ReportInputs) -> None:
    text = Page(render_report(replace(inputs, on_policy=["grpo"]), ReportingConfig())).text()
    assert "Within a round grpo samples anew before each update, the others once. The" in text


def test_a_further_figure_is_not_changed(inputs: ReportInputs) -> None:
    """The page takes the title off a copy."""
    layout = {"title": {"text": "mine"}, "margin": {"t": 90, "l": 5}}
    figure = InteractiveFigure(data=[], layout=layout)
    html = render_report(replace(inputs, extra_figures=[("A", figure, "B")]), ReportingConfig())
    shown = json.loads(Page(html).scripts["extra-0-data"])["layout"]
    assert "title" not in shown
    assert (shown["margin"]["t"], shown["margin"]["l"]) == (12, 5)
    assert figure.layout == {"title": {"text": "mine"}, "margin": {"t": 90, "l": 5}}


def test_one_seed_is_spoken_of_before_anything_else(
    inputs: ReportInputs, scores: pd.DataFrame
) -> None:
    """The verdict is what one seed cannot say; no other calls an algorithm better."""
    alone = scores[scores["seed"].fillna(0) == 0]
    pairs = compare_pairs(alone, margin=0.01, alpha=0.05)
    page = Page(render_report(replace(inputs, scores=alone, pairs=pairs), ReportingConfig()))
    text = page.text()
    summary = text.split(" Summary ", 2)[2]
    caption, verdict, _ = summary.partition("One training seed: this run cannot say which algorith")
    assert verdict
    assert "of one training seed" in caption
    assert "another seed may turn this order around" in caption
    assert "better" not in summary.split("Learning curves")[0].replace("is better. It", "", 1)
    assert "not algorithms" in text
    assert "How the seeds differ" not in text
    kinds = [attributes.get("class") for tag, attributes in page.elements if tag == "span"]
    assert "above" in text
    assert kinds.count("better") == kinds.count("worse") > 0


def test_one_algorithm_has_no_verdict(inputs: ReportInputs, scores: pd.DataFrame) -> None:
    """The page of a lone algorithm has neither pairs nor a matrix."""
    alone = scores[scores["algorithm"].isin([INITIAL_POLICY, "grpo"])]
    lone = replace(
        inputs,
        comparison=inputs.comparison[inputs.comparison["algorithm"] == "grpo"],
        gains=inputs.gains[inputs.gains["algorithm"] == "grpo"],
        round_metrics=inputs.round_metrics[inputs.round_metrics["algorithm"] == "grpo"],
        scores=alone,
        pairs=compare_pairs(alone, margin=0.01, alpha=0.05),
    )
    text = Page(render_report(lone, ReportingConfig())).text()
    assert "1 algorithm (grpo) was trained for 6 rounds with 3 training seeds" in text
    assert "Every pair" not in text
    assert "cannot be told" not in text
