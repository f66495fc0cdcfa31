"""What a file is, by its bytes alone."""

from __future__ import annotations

import pytest

from assigntask.files.sniffing import BINARY, HEAD, TEXT, media_type

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40

KNOWN = [
    (PNG, "image/png"),
    (b"GIF89a" + b"\0" * 20, "image/gif"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 20, "image/jpeg"),
    (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
    (b"PK\x03\x04" + b"\0" * 60, "application/zip"),
    (b"hello world", TEXT),
    ("aü".encode() + "ü".encode() * HEAD, TEXT),  # the head ends within a character
    (b"BM is how a bitmap begins, and this text", TEXT),
    (b"\0" * 30, BINARY),
    (b"caf\xe9", BINARY),
    (b"", BINARY),
]
ACTIVE = [
    (b"<html><body>", "text/html"),
    (b" \r\n<!DOCTYPE HTML>", "text/html"),
    (b"\xef\xbb\xbf<ScRiPt>alert(1)</script>", "text/html"),
    (b"<!-- --><script>", "text/html"),
    (b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'>", "image/svg+xml"),
    (b"<?xml version='1.0'?>\n<svg >", "image/svg+xml"),
    (b"<?xml version='1.0'?><xsl>", "application/xml"),
]


@pytest.mark.parametrize(("head", "expected"), KNOWN + ACTIVE, ids=lambda each: repr(each)[:40])
def test_a_file_is_what_its_first_bytes_say(head: bytes, expected: str) -> None:
    assert media_type(head) == expected


def test_only_the_head_is_looked_at() -> None:
    assert media_type(b"a" * HEAD + b"\0") == TEXT
