"""From the bytes of a file to the one JSON object of a Trello export, refusing what is no such thing."""

import json
from typing import BinaryIO, NoReturn

from .refusal import ImportRefused

MIB = 1024 * 1024

# Objects in memory take 60 bytes and more, in a hostile file for every two bytes. A real export has one value in about
# 35 bytes of text, so that one of 50 MiB stays far below this.
MAX_VALUES = 5_000_000

_HOW_TO_EXPORT = (
    "In Trello, open the board and its menu (…), choose “Print, export, and share”, then “Export as JSON”, and "
    "import the file that you get."
)


def load(data: bytes | BinaryIO, limit: int) -> dict[str, object]:
    """The board's object. Raises ImportRefused; the size is checked before anything is parsed."""
    raw = data if isinstance(data, bytes) else _read_up_to(data, limit + 1)
    if len(raw) > limit:
        raise ImportRefused(
            "import_too_large",
            f"The file is larger than {_size(limit)}. Archive or delete old cards at Trello, or move a part of "
            "the cards to a second board, and export again.",
        )
    if sum(raw.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise ImportRefused(
            "import_too_large",
            f"The file holds more than {MAX_VALUES:,} values, more than a Trello board has. {_HOW_TO_EXPORT}",
        )
    return _board(_parse(_decode(raw)))


def _read_up_to(source: BinaryIO, most: int) -> bytes:
    chunks, left = [], most
    while left > 0 and (chunk := source.read(min(left, MIB))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportRefused(
            "not_utf8", f"The file is not UTF-8 text (byte {error.start + 1} cannot be read). {_HOW_TO_EXPORT}"
        ) from None


def _parse(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        hint = "It looks like a web page. " if text.lstrip().startswith("<") else ""
        raise ImportRefused(
            "not_json",
            f"The file is not JSON: line {error.lineno}, column {error.colno} cannot be read. {hint}{_HOW_TO_EXPORT}",
        ) from None
    except RecursionError:
        raise ImportRefused(
            "import_too_deep", f"The file nests its values deeper than a Trello board does. {_HOW_TO_EXPORT}"
        ) from None
    except ValueError:  # a number of more digits than Python converts
        raise ImportRefused(
            "not_json", f"The file holds a number that is too long to be read. {_HOW_TO_EXPORT}"
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ImportRefused("not_json", f"The file is not JSON: it holds {name}, which is no number. {_HOW_TO_EXPORT}")


def _board(value: object) -> dict[str, object]:
    """A board has an id and lists or cards; either may be empty or null."""
    if not isinstance(value, dict):
        raise ImportRefused("not_a_board", f"The file is JSON, and not an object as a board is. {_HOW_TO_EXPORT}")
    missing = [key for key in ("id", "name", "lists", "cards") if key not in value]
    if not value.get("id") or {"lists", "cards"} <= set(missing):
        lacking = ", ".join(missing) or "a value for id"
        raise ImportRefused("not_a_board", f"The file is not a Trello board: it lacks {lacking}. {_HOW_TO_EXPORT}")
    return value


def _size(limit: int) -> str:
    return f"{limit // MIB} MiB" if limit >= MIB else f"{limit:,} bytes"
