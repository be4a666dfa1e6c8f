"""Decoding messages by the definitions that a bag records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rosbags.interfaces import MessageDefinitionFormat
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from reasoning_vla_ros.bags.errors import BagError
from reasoning_vla_ros.bags.storage import Channel
from reasoning_vla_ros.bags.types import TYPESTORE

_IDL_SEPARATOR = "=" * 80 + "\n"


class MessageDecoder:
    """Decodes CDR bytes. A type's recorded definition wins; a bag without definitions needs a known type."""

    def __init__(self, channels: Iterable[Channel]) -> None:
        self._channels = {channel.msg_type: channel for channel in channels}
        self._stores: dict[str, Typestore] = {}

    def decode(self, data: bytes | memoryview, msg_type: str) -> Any:
        """The message.

        Raises:
            BagError: the type is unknown, its definition cannot be parsed, or it is not encoded as CDR.
            rosbags.serde.SerdeError: the bytes do not fit the definition.
        """
        if msg_type not in self._stores:
            self._stores[msg_type] = _store_for(self._channels[msg_type])
        return self._stores[msg_type].deserialize_cdr(data, msg_type)


def _store_for(channel: Channel) -> Typestore:
    if channel.encoding != "cdr":
        raise BagError(f"{channel.topic} is encoded as {channel.encoding!r}, needed 'cdr'")
    definitions = _parse(channel)
    if not definitions:
        if channel.msg_type not in TYPESTORE.fielddefs:
            raise BagError(
                f"{channel.topic} has the unknown type {channel.msg_type} and the bag does not record its definition"
            )
        return TYPESTORE
    known = TYPESTORE.fielddefs
    if all(name in known and known[name][1] == fields for name, (_, fields) in definitions.items()):
        return TYPESTORE
    store = get_typestore(Stores.EMPTY)
    try:
        store.register(definitions)
        store.get_msgdef(channel.msg_type)  # KeyError: it uses a type that it does not define
    except (TypesysError, SyntaxError, KeyError) as error:
        raise BagError(
            f"{channel.topic}: the recorded definition of {channel.msg_type} is unusable: {error}"
        ) from error
    return store


def _parse(channel: Channel) -> dict[str, Any]:
    """Fields by type name, of the recorded definition; empty when none is recorded."""
    kind, text = channel.definition
    definitions: dict[str, Any] = {}
    try:
        if kind == MessageDefinitionFormat.MSG:
            definitions.update(get_types_from_msg(text, channel.msg_type))
        elif kind == MessageDefinitionFormat.IDL:
            if text.startswith(f"{_IDL_SEPARATOR}IDL: "):
                for part in text.split(_IDL_SEPARATOR)[1:]:
                    definitions.update(get_types_from_idl(part.partition("\n")[2]))
            else:
                definitions.update(get_types_from_idl(text))
    except TypesysError as error:
        raise BagError(
            f"{channel.topic}: the recorded definition of {channel.msg_type} is unusable: {error}"
        ) from error
    return definitions
