"""docs/tokenizers.md and docs/action_tokenizers.md run, and the plugin is shown as it is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PLUGIN_PACKAGE = REPO / "test" / "plugin_package"


def blocks(document: str, language: str) -> list[str]:
    text = (REPO / "docs" / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("document", "fewest"), [("tokenizers.md", 6), ("action_tokenizers.md", 6)])
def test_the_examples_run(document: str, fewest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, in one namespace."""
    monkeypatch.syspath_prepend(str(PLUGIN_PACKAGE))
    monkeypatch.chdir(tmp_path)
    examples = blocks(document, "python")
    assert len(examples) >= fewest
    try:
        exec("\n".join(examples), {})
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "robot_tokens"]:
            del sys.modules[name]


def test_the_plugin_shown_is_the_one_that_is_tested() -> None:
    (shown,) = blocks("tokenizers.md", "py")
    assert shown == (PLUGIN_PACKAGE / "robot_tokens" / "companded.py").read_text(encoding="utf-8")
