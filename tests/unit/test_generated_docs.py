"""Tables in the docs that repeat the catalog, the engines, the command line or the records."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "generate_docs.py"
PAGE = """# Page

<!-- generated: models -->
| old | table |
<!-- end -->

Text.
"""


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_up_to_date(docs: ModuleType) -> None:
    assert docs.rewrite(docs.DOCS, write=False) == [], "run scripts/generate_docs.py"


def test_an_outdated_table_is_found_and_rewritten(docs: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert docs.rewrite(tmp_path, write=False) == [("page.md", "models")]
    assert page.read_text() == PAGE
    assert docs.rewrite(tmp_path, write=True) == [("page.md", "models")]
    assert docs.rewrite(tmp_path, write=False) == []
    text = page.read_text()
    assert text.startswith("# Page\n\n<!-- generated: models -->\n| base model |")
    assert "`Qwen3-4B-Base`" in text
    assert text.endswith("|\n<!-- end -->\n\nText.\n")


def test_an_unknown_table_is_an_error(docs: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE.replace("models", "modles"))
    with pytest.raises(ValueError, match="unknown table `modles`"):
        docs.rewrite(tmp_path, write=False)


def test_suites_name_their_rules(docs: ModuleType) -> None:
    rows = {line.split(" | ")[0].strip("| "): line for line in docs.suites().splitlines()}
    assert rows["`v1.2`"].endswith("| `v1.2` |")
    assert "without `bfcl`" in rows["`v1.2`"]


def test_record_fields_have_the_names_and_types_of_the_file(docs: ModuleType) -> None:
    table = docs.generate("record Metrics")
    assert "| `eval-config` | `dict[str, Any]` |" in table
    assert "| `score` | `float` | " in table
