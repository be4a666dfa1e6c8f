"""docs/tokenizers.md runs, and shows the plugin as it is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PLUGIN_PACKAGE = REPO / "test" / "plugin_package"


def blocks(language: str) -> list[str]:
    text = (REPO / "docs" / "tokenizers.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_examples_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN_PACKAGE))
    examples = blocks("python")
    assert len(examples) >= 4
    try:
        exec("\n".join(examples), {})
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "robot_tokens"]:
            del sys.modules[name]


def test_the_plugin_shown_is_the_one_that_is_tested() -> None:
    (shown,) = blocks("py")
    assert shown == (PLUGIN_PACKAGE / "robot_tokens" / "companded.py").read_text(encoding="utf-8")
