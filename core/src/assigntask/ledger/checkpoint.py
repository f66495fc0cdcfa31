"""Signed tree heads: C2SP tlog-checkpoint, in a C2SP signed note.

A note is text, an empty line, and signature lines `— name base64(key id ‖ signature)`; a checkpoint is a
note whose text is origin, size and root hash, one a line. The signature covers the text only, its last
newline included. Keys are Ed25519 (signature type 0x01), named like the log's origin.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple, NoReturn, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from assigntask.ledger.errors import LedgerError
from assigntask.ledger.tree import HASH_BYTES, MAX_SIZE

MAX_NOTE_BYTES = 1 << 20
MAX_SIGNATURES = 100  # the specification asks for at least 16

_ED25519 = b"\x01"
_KEY_ID_BYTES = 4
_SIGNATURE_START = "— "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_VERIFIER = re.compile(r"([^+]*)\+([0-9a-f]{8})\+(.*)", re.DOTALL)


def exact_base64(text: str) -> bytes | None:
    """Decode standard base64 (RFC 4648, section 4), or return None for any other spelling of the bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key's public half under its name; `public` is the 32 bytes of RFC 8032.

    `str(verifier)` is the verifier key `name+id+base64` that other tools of the ecosystem read.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != 32:
            raise LedgerError("verifier_malformed", f"An Ed25519 public key has 32 bytes, not {len(self.public)}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key. Raises LedgerError `verifier_malformed`, or `key_name_wrong`."""
        match = _VERIFIER.fullmatch(text)
        key = exact_base64(match[3]) if match else None
        if match is None or key is None or len(key) != 33 or key[:1] != _ED25519:
            raise LedgerError(
                "verifier_malformed",
                f"{_shown(text)} is not a verifier key. It reads NAME+ID+KEY: ID is 8 hexadecimal digits, "
                "KEY the base64 of byte 01 and a 32-byte Ed25519 public key.",
            )
        verifier = cls(match[1], key[1:])
        if verifier.key_id.hex() != match[2]:
            raise LedgerError(
                "verifier_malformed",
                f"{_shown(text)} has key id {match[2]}, but this name and key have {verifier.key_id.hex()}. "
                "Part of it was mistyped or cut off; copy it again.",
            )
        return verifier

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that name this key in a signature line (C2SP signed-note)."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    def accepts(self, signature: bytes, text: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """An Ed25519 key under its name. `repr` shows the public half only."""

    verifier: Verifier
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Self:
        """Take the 32-byte private key of RFC 8032. Raises LedgerError `key_malformed`, `key_name_wrong`."""
        if len(seed) != 32:
            raise LedgerError("key_malformed", f"An Ed25519 private key has 32 bytes, not {len(seed)}.")
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(Verifier(name, private.public_key().public_bytes_raw()), private)

    @property
    def name(self) -> str:
        return self.verifier.name

    def sign(self, text: bytes) -> bytes:
        """Return the 64-byte signature of RFC 8032."""
        return self._private.sign(text)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of one log: `size` entries whose tree has the 32-byte `root`.

    `extensions` are further lines that other logs may add; ours has none.
    Raises LedgerError `checkpoint_malformed` for values that no checkpoint can carry.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line or _forbidden(line):
                _refuse_checkpoint(f"Origin and extension lines are single lines of text, not {_shown(line)}.")
        if not 0 <= self.size <= MAX_SIZE:
            _refuse_checkpoint(f"The size of a tree is 0 to {MAX_SIZE}; this one is outside.")
        if len(self.root) != HASH_BYTES:
            _refuse_checkpoint(f"The root has {len(self.root)} bytes instead of {HASH_BYTES}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note's text. Nothing is verified here: `verify` takes the whole note.

        Raises LedgerError `checkpoint_malformed`, which names the line.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop():
            _refuse_checkpoint("A checkpoint has three lines, origin, size and root, each ended by a newline.")
        for number, line in enumerate(lines, 1):
            if not line:
                _refuse_checkpoint(f"Line {number} is empty.")
        if not _SIZE.fullmatch(lines[1]) or int(lines[1]) > MAX_SIZE:
            _refuse_checkpoint(
                f"Line 2, the size, is {_shown(lines[1])} instead of a decimal number without leading zeros, "
                f"at most {MAX_SIZE}."
            )
        root = exact_base64(lines[2])
        if root is None or len(root) != HASH_BYTES:
            _refuse_checkpoint(f"Line 3, the root, is {_shown(lines[2])} instead of {HASH_BYTES} bytes in base64.")
        return cls(lines[0], int(lines[1]), root, tuple(lines[3:]))

    @property
    def text(self) -> str:
        """What is signed: the lines, each with its newline."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def sign(checkpoint: Checkpoint, key: SigningKey) -> str:
    """Return the checkpoint as a signed note.

    Raises LedgerError `checkpoint_origin_wrong` when the key is another log's: `verify` would refuse it.
    """
    if key.name != checkpoint.origin:
        raise LedgerError(
            "checkpoint_origin_wrong",
            f"The key of {_shown(key.name)} does not sign checkpoints of {_shown(checkpoint.origin)}.",
        )
    return sign_note(checkpoint.text, key)


def verify(note: str | bytes, verifiers: Iterable[Verifier]) -> Checkpoint:
    """Return the checkpoint in a note that one of `verifiers` signed as the log itself.

    Signatures by unknown keys are passed over. A known key counts for the log only if its name is the
    origin: the origin is inside the signed text, the name beside a signature is not.
    Raises LedgerError as `open_note` and `Checkpoint.parse` do, and `checkpoint_origin_wrong`.
    """
    opened = open_note(note, verifiers)
    checkpoint = Checkpoint.parse(opened.text)
    if all(signer.name != checkpoint.origin for signer in opened.signers):
        names = ", ".join(sorted({_shown(signer.name) for signer in opened.signers}))
        raise LedgerError(
            "checkpoint_origin_wrong",
            f"Line 1 says that this checkpoint is of {_shown(checkpoint.origin)}, but {names} signed it. "
            "Use the checkpoint and the keys of the same organisation.",
        )
    return checkpoint


class OpenedNote(NamedTuple):
    """A note's text and the known keys whose signatures on it are right, in the note's order."""

    text: str
    signers: tuple[Verifier, ...]


def sign_note(text: str, key: SigningKey) -> str:
    """Return text and signature. Raises LedgerError `note_malformed` for text that no note can carry."""
    if not text.endswith("\n") or _forbidden(text):
        _refuse_note("Its text must end with a newline and hold no other control character.")
    signature = base64.b64encode(key.verifier.key_id + key.sign(text.encode())).decode()
    return f"{text}\n{_SIGNATURE_START}{key.name} {signature}\n"


def open_note(note: str | bytes, verifiers: Iterable[Verifier]) -> OpenedNote:
    """Check a signed note (C2SP signed-note).

    Raises LedgerError: `note_malformed`, naming the line; `note_signature_wrong` when a known key's
    signature does not match, naming the line; `note_unsigned` when no known key signed.
    """
    text, lines, first = _parts(note)
    known = _by_name_and_id(verifiers)
    signers: dict[Verifier, None] = {}
    for number, line in enumerate(lines, first):
        name, key_id, signature = _signature(line, number)
        verifier = known.get((name, key_id))
        if verifier is None:
            continue
        if not verifier.accepts(signature, text.encode()):
            raise LedgerError(
                "note_signature_wrong",
                f"Line {number}: the signature by {_shown(name)}, key {key_id.hex()}, is not one of this text. "
                "The text or the signature was changed after it was signed.",
            )
        signers[verifier] = None
    if not signers:
        wanted = ", ".join(f"{_shown(name)} key {key_id.hex()}" for name, key_id in sorted(known)) or "none"
        raise LedgerError(
            "note_unsigned",
            f"No known key signed this note (known: {wanted}). "
            "After a rotation the retired key is still needed; put its file back, or use a newer checkpoint.",
        )
    return OpenedNote(text, tuple(signers))


def _parts(note: str | bytes) -> tuple[str, list[str], int]:
    """Split a note into its text, its signature lines, and the number of the first of these lines."""
    try:
        data = note.encode() if isinstance(note, str) else note
        whole = data.decode()
    except UnicodeError:
        _refuse_note("It is not UTF-8 text.")
    if len(data) > MAX_NOTE_BYTES:
        _refuse_note(f"It has {len(data)} bytes, more than {MAX_NOTE_BYTES}.")
    for number, line in enumerate(whole.split("\n"), 1):
        control = _forbidden(line)
        if control:
            _refuse_note(f"Line {number} holds the control character U+{ord(control):04X}; lines end in U+000A.")
    last_empty = whole.rfind("\n\n")
    if last_empty < 0 or not whole.endswith("\n") or whole.endswith("\n\n"):
        _refuse_note("Text, an empty line and signature lines are expected, each ended by a newline.")
    text = whole[: last_empty + 1]
    lines = whole[last_empty + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        _refuse_note(f"It has {len(lines)} signatures, more than {MAX_SIGNATURES}.")
    return text, lines, text.count("\n") + 2


def _signature(line: str, number: int) -> tuple[str, bytes, bytes]:
    """Read `— name base64` into name, key id and signature."""
    name, space, encoded = line.removeprefix(_SIGNATURE_START).partition(" ")
    data = exact_base64(encoded)
    if (
        not (line.startswith(_SIGNATURE_START) and space and _is_name(name))
        or data is None
        or len(data) <= _KEY_ID_BYTES
    ):
        _refuse_note(f"Line {number} is not a signature line: a dash (U+2014), a key's name, base64.")
    return name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:]


def _by_name_and_id(verifiers: Iterable[Verifier]) -> dict[tuple[str, bytes], Verifier]:
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise LedgerError(
                "verifier_ambiguous",
                f"Two keys of {_shown(verifier.name)} share the key id {verifier.key_id.hex()}. "
                "Leave out the one that did not sign.",
            )
    return known


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() for c in name) and not _forbidden(name)


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise LedgerError(
            "key_name_wrong",
            f"{_shown(name)} can't name a key: a name has at least one character, no space and no plus sign.",
        )


def _forbidden(text: str) -> str | None:
    """Return the first character that no note may hold: a control character but newline, half a surrogate pair."""
    return next((c for c in text if (c < " " and c != "\n") or "\ud800" <= c <= "\udfff"), None)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:79]}…")


def _refuse_note(what: str) -> NoReturn:
    raise LedgerError("note_malformed", f"This is not a signed note. {what}")


def _refuse_checkpoint(what: str) -> NoReturn:
    raise LedgerError("checkpoint_malformed", f"This is not a checkpoint. {what}")
