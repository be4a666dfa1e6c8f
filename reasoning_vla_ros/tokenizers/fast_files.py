"""The files of the public FAST processor."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from reasoning_vla_ros.tokenizers.action_tokenizer import read_json

PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
BPE_FILE = "tokenizer.json"
# Where processors save what belongs to their part of this name; the published folders have it at the top.
BPE_FOLDER = "bpe_tokenizer"


@dataclass(frozen=True)
class FASTProcessorFiles:
    """What a folder of the public `UniversalActionProcessor` holds.

    Attributes:
        scale: of the coefficients, before they are rounded.
        vocab_size: number of ids asked for.
        min_token: the integer that the character 0 stands for.
        time_horizon, action_dim: of a chunk; None where they are not fixed.
        bpe: text of tokenizer.json.
    """

    scale: float
    vocab_size: int
    min_token: int
    time_horizon: int | None
    action_dim: int | None
    bpe: str

    @staticmethod
    def read(folder: Path) -> FASTProcessorFiles:
        """Reads processor_config.json and tokenizer.json.

        Raises:
            FileNotFoundError: one of the two is missing.
            ValueError: a setting that is missing or of another kind.
        """
        found = [folder / name for name in PROCESSOR_FILES if (folder / name).is_file()]
        if not found:
            raise FileNotFoundError(f"{folder} holds none of {list(PROCESSOR_FILES)}")
        config = read_json(found[0])
        bpe = next((path for path in (folder / BPE_FILE, folder / BPE_FOLDER / BPE_FILE) if path.is_file()), None)
        if bpe is None:
            raise FileNotFoundError(f"{folder} holds no {BPE_FILE}, nor does its folder {BPE_FOLDER}")
        scale = config.get("scale")
        if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not (scale > 0 and math.isfinite(scale)):
            raise ValueError(f"{found[0]} needs a positive scale, got {scale!r}")
        integers = {key: config.get(key) for key in ("vocab_size", "min_token", "time_horizon", "action_dim")}
        for key, value in integers.items():
            optional = key in ("time_horizon", "action_dim") and value is None
            if not optional and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValueError(f"{found[0]} needs an integer {key}, got {value!r}")
        return FASTProcessorFiles(scale=scale, bpe=bpe.read_text(encoding="utf-8"), **integers)  # type: ignore[arg-type]

    def write(self, folder: Path) -> None:
        """Writes the public layout, but for the processor's Python file."""
        config = {"processor_class": "UniversalActionProcessor", **asdict(self)}
        (folder / BPE_FILE).write_text(config.pop("bpe"), encoding="utf-8")
        _write(folder / PROCESSOR_FILES[0], config)
        _write(
            folder / "tokenizer_config.json",
            {
                "clean_up_tokenization_spaces": False,
                "processor_class": "UniversalActionProcessor",
                "tokenizer_class": "PreTrainedTokenizerFast",
            },
        )
        _write(folder / "special_tokens_map.json", {})


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
