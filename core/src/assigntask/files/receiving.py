"""Bytes as they come, in whatever pieces, to chunks of one size. Pure but for what it has seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from assigntask_sdk.errors import FileTooLarge, Invalid

from .rows import CHUNK, Content
from .sniffing import HEAD, media_type


class Receiver:
    """Holds less than one chunk beside the piece that it was given."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes that a file may have."""
        self._limit = limit
        self._digest = hashlib.sha256()
        self._head = b""
        self._size = 0
        self._rest = bytearray()

    def take(self, piece: object) -> Iterator[bytes]:
        """The chunks that are full with this piece. Raises FileTooLarge before it takes more; Invalid for no bytes."""
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise Invalid({"content": f"must be pieces of bytes, not {type(piece).__name__}"})
        view = memoryview(bytes(piece) if isinstance(piece, memoryview) else piece)
        self._size += len(view)
        if self._size > self._limit:
            raise FileTooLarge(self._limit)
        if len(self._head) < HEAD:
            self._head += bytes(view[: HEAD - len(self._head)])
        while view:
            room = CHUNK - len(self._rest)
            self._rest += view[:room]
            view = view[room:]
            if len(self._rest) == CHUNK:
                yield self._full()

    def end(self) -> Iterator[bytes]:
        """What is left, where anything is."""
        if self._rest:
            yield self._full()

    def content(self) -> Content:
        """Of all that was taken. Call it after `end`."""
        return Content(media_type(self._head), self._size, self._digest.hexdigest())

    def _full(self) -> bytes:
        chunk, self._rest = bytes(self._rest), bytearray()
        self._digest.update(chunk)
        return chunk
