"""Reasoning texts by time, from a file or a bag's topic."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reasoning_vla_ros.bags import BagReader
from reasoning_vla_ros.messages.stamps import stamp_to_ns
from reasoning_vla_ros.training.errors import TrainingError

TEXT_TYPES = ("std_msgs/msg/String", "reasoning_vla_ros/msg/ReasoningTrace")


@dataclass(frozen=True)
class StampedText:
    """A reasoning text and a meta action (may be empty) for the instant t0, nanoseconds."""

    t0_ns: int
    reasoning: str
    meta_action: str = ""


class Texts:
    """Texts looked up by time.

    Args:
        texts: in any order.
        tolerance_s: how far a text may lie from the instant that it is taken for.
    """

    def __init__(self, texts: Iterable[StampedText], tolerance_s: float) -> None:
        self._texts = sorted(texts, key=lambda text: text.t0_ns)
        self._stamps_ns = [text.t0_ns for text in self._texts]
        self._tolerance_ns = round(tolerance_s * 1e9)

    def __len__(self) -> int:
        return len(self._texts)

    def at(self, t0_ns: int) -> StampedText | None:
        """The text nearest to t0 within the tolerance, the earlier of two as near; None where there is none."""
        index = bisect_left(self._stamps_ns, t0_ns)
        near = self._texts[max(index - 1, 0) : index + 1]
        best = min(near, key=lambda text: abs(text.t0_ns - t0_ns), default=None)
        return best if best is not None and abs(best.t0_ns - t0_ns) <= self._tolerance_ns else None


def read_text_file(path: Path | str) -> list[StampedText]:
    """Texts of a JSONL file, one `{"t0_ns": 1700000000000000000, "reasoning": "…", "meta_action": "…"}` a line.

    `meta_action` may be left out.

    Raises:
        TrainingError: a line of another form; the message names it.
        OSError: the file can't be read.
    """
    texts = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            text = StampedText(entry["t0_ns"], entry["reasoning"], entry.get("meta_action", ""))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise TrainingError(
                f'{path}, line {number}: needed {{"t0_ns": …, "reasoning": "…"}}, got {line!r}'
            ) from error
        types = (type(text.t0_ns), type(text.reasoning), type(text.meta_action))
        if types != (int, str, str):
            raise TrainingError(
                f"{path}, line {number}: t0_ns must be an integer of nanoseconds, reasoning and meta_action texts, "
                f"got {line!r}"
            )
        texts.append(text)
    return texts


def read_text_topic(bag: Path | str, topic: str) -> list[StampedText]:
    """Texts of a bag: ReasoningTrace messages by their header's stamp, String messages by the time of their recording.

    Raises:
        TrainingError: no such topic, or one of another type.
        BagError: the bag can't be read.
    """
    texts = []
    with BagReader(bag, on_truncated="warn") as reader:
        info = reader.topics.get(topic)
        if info is None or info.msg_type not in TEXT_TYPES:
            has = ", ".join(f"{name} [{each.msg_type}] x{each.count}" for name, each in reader.topics.items())
            raise TrainingError(
                f"bag {bag}: {topic} must be a topic of {' or '.join(TEXT_TYPES)}, it "
                f"{'is missing' if info is None else f'holds {info.msg_type}'}. It has: {has}"
            )
        for _, time_ns, message in reader.messages([topic]):
            if info.msg_type == TEXT_TYPES[0]:
                texts.append(StampedText(time_ns, str(message.data)))
            else:
                stamp_ns = stamp_to_ns(message.header.stamp)
                texts.append(StampedText(stamp_ns, str(message.text), str(message.meta_action)))
    return texts
