"""The tokens that ReasoningVLA adds to its language model's tokenizer.

`<i0>`..`<iN-1>` come first, as ordinary tokens, then the special tokens; the order fixes the ids of the public
Alpamayo checkpoints (`add_special_tokens=True`) and of models built on the six trajectory markers alone.
"""

from __future__ import annotations

from typing import Any

IGNORE_INDEX = -100

TRAJ_TOKENS = {
    "history": "<|traj_history|>",
    "future": "<|traj_future|>",
    "history_start": "<|traj_history_start|>",
    "future_start": "<|traj_future_start|>",
    "history_end": "<|traj_history_end|>",
    "future_end": "<|traj_future_end|>",
}

SPECIAL_TOKEN_NAMES = (
    "prompt_start",
    "prompt_end",
    "image_start",
    "image_pre_tkn",
    "image_end",
    "traj_history_start",
    "traj_history_pre_tkn",
    "traj_history_end",
    "cot_start",
    "cot_end",
    "meta_action_start",
    "meta_action_end",
    "traj_future_start",
    "traj_future_pre_tkn",
    "traj_future_end",
    "traj_history",
    "traj_future",
    "image_pad",
    "vectorized_wm",
    "vectorized_wm_start",
    "vectorized_wm_end",
    "vectorized_wm_pre_tkn",
    "route_start",
    "route_pad",
    "route_end",
    "question_start",
    "question_end",
    "answer_start",
    "answer_end",
)
SPECIAL_TOKENS = {name: f"<|{name}|>" for name in SPECIAL_TOKEN_NAMES}

# Alpamayo 1.5 gives nine of them no meaning any more; their ids stay.
_UNUSED_IN_15 = (
    "image_pre_tkn",
    "traj_history_pre_tkn",
    "meta_action_start",
    "meta_action_end",
    "traj_future_pre_tkn",
    "vectorized_wm",
    "vectorized_wm_start",
    "vectorized_wm_end",
    "vectorized_wm_pre_tkn",
)
_NAMES_IN_15 = (
    f"_padding_{_UNUSED_IN_15.index(name)}" if name in _UNUSED_IN_15 else name for name in SPECIAL_TOKEN_NAMES
)
ALPAMAYO_15_SPECIAL_TOKENS = {name: f"<|{name}|>" for name in _NAMES_IN_15}


def extend_tokenizer(
    tokenizer: Any,
    traj_vocab_size: int | None,
    add_special_tokens: bool,
    special_tokens: dict[str, str] = SPECIAL_TOKENS,
) -> None:
    """Adds the trajectory and special tokens to a transformers tokenizer, in place.

    A tokenizer that already has them, as one saved with a model does, keeps its ids. Without `add_special_tokens` only
    the six trajectory markers are added, and not `special_tokens`.

    Raises:
        ValueError: the trajectory tokens do not get consecutive ids, as when the tokenizer already held a few of them.
    """
    if traj_vocab_size:
        tokenizer.add_tokens([f"<i{index}>" for index in range(traj_vocab_size)])
        first, last = tokenizer.convert_tokens_to_ids(["<i0>", f"<i{traj_vocab_size - 1}>"])
        if last - first != traj_vocab_size - 1:
            raise ValueError(
                f"the {traj_vocab_size} trajectory tokens need consecutive ids, <i0> has {first} and "
                f"<i{traj_vocab_size - 1}> has {last}: the tokenizer was extended with another traj_vocab_size"
            )
    names = special_tokens if add_special_tokens else TRAJ_TOKENS
    tokenizer.add_tokens(list(names.values()), special_tokens=True)


def token_ids(tokenizer: Any, tokens: dict[str, str]) -> dict[str, int | None]:
    """Ids by name; None for tokens that the tokenizer does not have."""
    vocabulary = tokenizer.get_vocab()
    return {name: vocabulary.get(token) for name, token in tokens.items()}
