"""The files of Qwen3-VL that a checkpoint needs beside weights, and what to do about those that are not to be had.

The public Alpamayo checkpoints hold none of them: they name a VLM, whose files lie in the hub's cache or in a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

CONFIG_FILE = "config.json"
IMAGE_SETTINGS_FILE = "preprocessor_config.json"
TOKENIZER_FILE = "tokenizer.json"
# Older tokenizers have these in its place.
TOKENIZER_PARTS = ("vocab.json", "merges.txt")
VLM_FILES = (CONFIG_FILE, IMAGE_SETTINGS_FILE, TOKENIZER_FILE, "tokenizer_config.json")
# The VLM of the public Alpamayo checkpoints.
RELEASE_VLM = "Qwen/Qwen3-VL-8B-Instruct"


def is_local(name_or_path: str) -> bool:
    """Whether it is a folder: then nothing is asked of the hub."""
    return Path(name_or_path).is_dir()


def is_hub_id(name_or_path: str) -> bool:
    """Whether it may be a hub's owner/name."""
    return not is_local(name_or_path) and name_or_path.count("/") == 1 and not name_or_path.startswith((".", "/", "~"))


@contextmanager
def explained_when_absent(vlm: str) -> Iterator[None]:
    """Turns an error of loading a part of `vlm`, a folder or hub id, into one that says what is missing and fetches it.

    A folder is looked at first, as half a tokenizer would load; and only a hub id is asked for.

    Raises:
        FileNotFoundError: a part is missing.
    """
    if not is_hub_id(vlm) and missing_files(vlm):
        raise absence(vlm)
    try:
        yield
    except OSError as error:
        raise absence(vlm) from error


def missing_files(vlm: str) -> list[str]:
    """Those of VLM_FILES that are on this machine neither as files of the folder nor in the hub's cache."""
    missing = [name for name in VLM_FILES if not _is_here(vlm, name)]
    if TOKENIZER_FILE in missing and all(_is_here(vlm, name) for name in TOKENIZER_PARTS):
        missing.remove(TOKENIZER_FILE)
    return missing


def absence(vlm: str) -> FileNotFoundError:
    """What is missing of `vlm`, the command that fetches it, and the names of the options."""
    files = " ".join(VLM_FILES)
    if is_hub_id(vlm):
        place = f"the hub's cache on this machine, for {vlm!r}, holds"
        way = f"`hf download {vlm} {files}` fetches them"
    else:
        place = f"the folder {vlm!r} holds" if is_local(vlm) else f"the folder {vlm!r} does not exist and holds"
        target = vlm if is_local(vlm) or "/" in vlm else "FOLDER"
        way = f"`hf download {RELEASE_VLM} {files} --local-dir {target}` fetches those of the public Alpamayo models"
    return FileNotFoundError(
        "the tokenizer, config and image settings of the model's VLM come from vlm_name_or_path, but "
        f"{place} no {', '.join(missing_files(vlm)) or 'readable ones'}. Where there is a network, {way}. Another "
        "folder or hub id is named by vlm_name_or_path of the model, vlm of the planner, --vlm of the command or "
        "vlm_path of the node"
    )


def _is_here(vlm: str, name: str) -> bool:
    if is_hub_id(vlm):
        return isinstance(try_to_load_from_cache(vlm, name), str)
    return Path(vlm, name).is_file()
