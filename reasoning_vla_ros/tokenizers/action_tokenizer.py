"""What an action tokenizer is."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, overload

import torch

from reasoning_vla_ros.geometry.arrays import at_least_float32, require_finite
from reasoning_vla_ros.tokenizers.errors import InvalidTokensError
from reasoning_vla_ros.tokenizers.numpy_arrays import takes_numpy, wrap_methods
from reasoning_vla_ros.tokenizers.padding import count_before_padding, padded_at_end
from reasoning_vla_ros.tokenizers.parts import Part

CONFIG_FILE = "action_tokenizer.json"
TENSORS_FILE = "action_tokenizer.safetensors"

# What `decode` of an action tokenizer gives: actions, or (actions, valid) where it is not strict. The overloads of
# ActionTokenizer say which; those who implement it need not repeat them.
Decoded: TypeAlias = Any

TokenizerT = TypeVar("TokenizerT", bound="ActionTokenizer")


class ActionTokenizer(Part, ABC):
    """Actions [B, T, D] as token ids [B, N] in 0..vocab_size-1, and back.

    Subclasses implement `vocab_size`, `encode` and `decode`, and keep every constructor argument as an attribute of
    the same name (`get_config` reads them). One that learns tensors overrides `fit`, `state_dict` and
    `load_state_dict`; saving and loading then work. `check_actions` and `valid_tokens` do the usual refusals.

    Subclasses work on tensors. Given numpy arrays, `fit`, `encode` and `decode` of every subclass convert them, and
    give numpy arrays back.

    Attributes:
        pad_id: the id that fills rows on the right where N varies from row to row, one of the `vocab_size`; None
            where every row has the same N.
        decodes_prefixes: rows of any length decode, the first ids telling most; then N is what `encode` aims at.
        ids_are_levels: neighbouring ids of one place stand for neighbouring values.
    """

    name: ClassVar[str]
    pad_id: int | None = None
    decodes_prefixes: ClassVar[bool] = False
    ids_are_levels: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap_methods(cls, ("fit", "encode", "decode"))

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids."""

    @property
    def num_tokens(self) -> int | None:
        """N where it is fixed whatever the horizon, else None."""
        return self.num_tokens_for(None)

    def num_tokens_for(self, horizon: int | None) -> int | None:
        """N for actions of `horizon` steps; None where it varies or the horizon is needed and unknown."""
        return None

    @takes_numpy
    def token_counts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Ids before the padding, int64 [B], of each row of ids [B, N]; N where rows are not padded."""
        return count_before_padding(tokens, self.pad_id)

    @takes_numpy
    def fit(self, actions: torch.Tensor) -> ActionTokenizer:
        """Learns from actions [B, T, D] and returns itself. Nothing to learn by default."""
        check_actions(actions)
        return self

    @abstractmethod
    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Token ids, int64 [B, N], of actions [B, T, D].

        Raises:
            ValueError: another shape, or values that are not finite.
        """

    @overload
    def decode(
        self, tokens: torch.Tensor, strict: Literal[True] = True, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor: ...

    @overload
    def decode(
        self, tokens: torch.Tensor, strict: Literal[False], dtype: torch.dtype = torch.float32
    ) -> tuple[torch.Tensor, torch.Tensor]: ...

    @abstractmethod
    def decode(
        self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Actions [B, T, D], computed in `dtype` (float32 or float64), of token ids [B, N].

        With `strict=False` it gives (actions, valid [B]); rows that no encoder can produce hold NaN, and nothing is
        raised for them.

        Raises:
            InvalidTokensError: ids that no encoder can produce (with `strict=True`), or that are not integers.
        """

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Tensors that `fit` learned; none by default."""
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Takes what `state_dict` gave.

        Raises:
            ValueError: tensors that this tokenizer does not have.
        """
        if state:
            raise ValueError(f"{self.name!r} has no tensors, got {sorted(state)}")

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Writes action_tokenizer.json and, where there are tensors, action_tokenizer.safetensors."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / CONFIG_FILE).write_text(json.dumps(self.to_config(), indent=2) + "\n", encoding="utf-8")
        state = self.state_dict()
        if state:
            from safetensors.torch import save_file

            save_file({key: value.detach().cpu().contiguous() for key, value in state.items()}, path / TENSORS_FILE)

    @classmethod
    def from_pretrained(cls: type[TokenizerT], folder: str | PathLike[str]) -> TokenizerT:
        """Reads what `save_pretrained` of this class wrote; `create_action_tokenizer(folder)` reads any class.

        Raises:
            FileNotFoundError: no action_tokenizer.json in the folder.
            ValueError: the folder holds another tokenizer.
        """
        tokenizer = cls(**cls.read_config(folder))
        tokenizer.load_tensors(folder)
        return tokenizer

    @classmethod
    def read_config(cls, folder: str | PathLike[str]) -> dict[str, Any]:
        """The constructor's arguments from action_tokenizer.json; errors as `from_pretrained`."""
        config = read_json(Path(folder) / CONFIG_FILE)
        name = config.pop("name", None)
        if name != cls.name:
            raise ValueError(f"{folder} holds the action tokenizer {name!r}, wanted {cls.name!r}")
        return config

    def load_tensors(self, folder: str | PathLike[str]) -> None:
        """Takes the tensors that `save_pretrained` wrote to the folder, where it wrote any."""
        path = Path(folder) / TENSORS_FILE
        if path.exists():
            from safetensors.torch import load_file

            self.load_state_dict(load_file(path))


def check_actions(actions: torch.Tensor, action_dims: int | None = None) -> torch.Tensor:
    """The actions [B, T, D] in float32 at least.

    Raises:
        ValueError: another number of axes or of dimensions, no step, or values that are not finite.
    """
    if actions.ndim != 3 or actions.shape[1] == 0 or action_dims not in (None, actions.shape[2]):
        wanted = "D" if action_dims is None else action_dims
        raise ValueError(f"actions need the shape [B, T >= 1, {wanted}], got {list(actions.shape)}")
    require_finite(actions, "actions")
    return at_least_float32(actions)


def valid_tokens(
    tokens: torch.Tensor,
    vocab_size: int,
    *,
    multiple_of: int = 1,
    count: int | None = None,
    pad_id: int | None = None,
    strict: bool = True,
) -> torch.Tensor:
    """Flags [B]: each row of ids [B, N] lies in 0..vocab_size-1 and N is what the encoder gives.

    Args:
        tokens: [B, N], any integer dtype.
        vocab_size: number of ids.
        multiple_of: N must be a positive multiple of it.
        count: N itself, where it is fixed.
        pad_id: of rows of different lengths: each holds at least one other id, and padding at its end only.
        strict: raise instead of giving a False.

    Raises:
        InvalidTokensError: not integers or not two axes; with `strict`, also any row that is not valid.
    """
    if tokens.dtype == torch.bool or tokens.is_floating_point() or tokens.is_complex() or tokens.ndim != 2:
        raise InvalidTokensError(f"token ids must be integers [B, N], got {tokens.dtype} {list(tokens.shape)}")
    tokens = tokens.long()  # a comparison in the tokens' own narrow dtype would wrap the other side around
    found = tokens.shape[1]
    nothing = pad_id is not None and len(tokens) == 0
    if not nothing and (found == 0 or found % multiple_of or count not in (None, found)):
        wanted = f"{count}" if count is not None else f"a positive multiple of {multiple_of}"
        if strict:
            raise InvalidTokensError(f"a trajectory has {wanted} token ids, got {found}")
        return torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
    inside = _inside(tokens, vocab_size, strict)
    if pad_id is None or not bool((tokens == pad_id).any()):
        return inside
    return inside & padded_at_end(tokens, pad_id, strict)


def _inside(tokens: torch.Tensor, vocab_size: int, strict: bool) -> torch.Tensor:
    # Almost always all ids are good, and the two ends of them all are found in one pass.
    if not tokens.numel() or (int((ends := tokens.aminmax()).min) >= 0 and int(ends.max) < vocab_size):
        return torch.ones(len(tokens), dtype=torch.bool, device=tokens.device)
    good = (tokens >= 0) & (tokens < vocab_size)
    if strict:
        row, column = (~good).nonzero()[0].tolist()
        raise InvalidTokensError(
            f"token ids must lie in 0..{vocab_size - 1}, got {int(tokens[row, column])} at row {row}, column {column}"
        )
    return good.all(1)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} holds no {path.name}; save_pretrained writes one")
    config = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(config).__name__}")
    return config
