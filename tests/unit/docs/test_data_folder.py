"""The folder of data in the checkout: layers that git keeps, nothing of their content."""

import re
import subprocess

import pytest
from helpers import PROJECT

DATA = PROJECT / "data"


def test_every_layer_of_the_catalog_stands_in_the_checkout_and_in_its_page() -> None:
    catalogs = (PROJECT / "conf" / "base").glob("catalog*.yml")
    used = {
        layer
        for catalog in catalogs
        for layer in re.findall(r"\{globals:data_root\}/(\d\d_\w+)", catalog.read_text("utf-8"))
    }
    assert len(used) >= 6
    page = (DATA / "README.md").read_text("utf-8")
    assert used <= {path.parent.name for path in DATA.glob("*/.gitkeep")}
    assert {layer for layer in used if f"| `{layer}` |" not in page} == set()


@pytest.mark.parametrize(
    ("path", "is_kept"),
    [
        ("01_raw/.gitkeep", True),
        ("README.md", True),
        ("01_raw/mine.jsonl", False),
        ("smoke/08_reporting/report.html", False),
        ("run_state.json", False),
    ],
)
def test_git_keeps_the_folders_and_no_content(path: str, is_kept: bool) -> None:
    if not (PROJECT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--quiet", f"data/{path}"], cwd=PROJECT, check=False
    )
    assert done.returncode == (1 if is_kept else 0)
