"""Pieces of any size become chunks of one size."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assigntask.files.receiving import Receiver
from assigntask.files.rows import CHUNK
from assigntask_sdk.errors import FileTooLarge, Invalid


def received(pieces: list[bytes], limit: int = 10 * CHUNK) -> tuple[list[bytes], Receiver]:
    receiver = Receiver(limit)
    chunks = [chunk for piece in pieces for chunk in receiver.take(piece)]
    return [*chunks, *receiver.end()], receiver


@given(st.lists(st.integers(0, CHUNK + CHUNK // 2), max_size=5))
def test_however_it_is_cut_the_bytes_are_the_same_and_all_chunks_but_the_last_full(sizes: list[int]) -> None:
    whole = bytes(number % 251 for number in range(sum(sizes)))
    pieces, at = [], 0
    for size in sizes:
        pieces.append(whole[at : at + size])
        at += size
    chunks, receiver = received(pieces)
    assert b"".join(chunks) == whole
    assert all(len(chunk) == CHUNK for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= CHUNK for chunk in chunks)
    content = receiver.content()
    assert (content.size, content.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())


def test_a_file_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert b"".join(received([b"x" * 60, b"y" * 40], limit=100)[0]) == b"x" * 60 + b"y" * 40
    with pytest.raises(FileTooLarge) as caught:
        received([b"x" * 60, b"y" * 41], limit=100)
    assert caught.value.limit == 100
    assert "100 bytes" in caught.value.message


def test_the_type_is_seen_though_the_first_bytes_come_one_by_one() -> None:
    head = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
    _, receiver = received([head[at : at + 1] for at in range(len(head))])
    assert receiver.content().media_type == "image/png"


@pytest.mark.parametrize("piece", ["text", None, 7])
def test_what_is_no_bytes_is_refused(piece: object) -> None:
    with pytest.raises(Invalid, match="bytes"):
        list(Receiver(100).take(piece))
