"""The secrets behind the ledger, kept in files or in the environment and never in the database.

A key is 32 bytes, written as one line of base64: in a file `PURPOSE-NUMBER.key` of mode 0600, or in an
environment variable, where several are separated by commas, the current one first. In the folder the
highest number is current; lower ones are retired: they still verify and still unwrap. A key from the
environment comes before those in the folder.
"""

import base64
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from assigntask.ledger.checkpoint import SigningKey, Verifier, exact_base64
from assigntask.ledger.errors import LedgerError

KEY_BYTES = 32


class Purpose(StrEnum):
    LEDGER = "ledger"  # signs checkpoints (Ed25519)
    PAIRWISE = "pairwise"  # makes the ids under which installations know people (HMAC)
    SUBJECTS = "subjects"  # wraps the subjects' keys (AES-256-GCM)
    CREDENTIALS = "credentials"  # signs and seals what passes between host and remote apps (derived keys)


REPLACEABLE = frozenset({Purpose.CREDENTIALS})
"""Lost, they are made anew: remote apps then need new credentials, and nothing that is stored suffers."""


ENVIRONMENT: Mapping[Purpose, str] = MappingProxyType(
    {purpose: f"ASSIGNTASK_KEY_{purpose.name}" for purpose in Purpose}
)

_FILE = re.compile(r"(ledger|pairwise|subjects|credentials)-([1-9][0-9]{0,8})\.key")
_MAX_FILE_BYTES = 4096
_WRAPPED_V1 = b"\x01"
_ID_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER_BYTES = len(_WRAPPED_V1) + _ID_BYTES


@dataclass(frozen=True, slots=True)
class _Key:
    """A secret; `id` is 4 bytes of its hash, which tell keys apart and tell nothing else."""

    id: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, purpose: Purpose, secret: bytes) -> Self:
        return cls(sha256(f"assigntask {purpose} key\n".encode() + secret).digest()[:_ID_BYTES], secret)


_Keys = Mapping[Purpose, tuple[_Key, ...]]


class KeyRing:
    """The keys of one host.

    A key that another process adds or removes is seen at the next call, `pairwise` excepted. Methods
    raise LedgerError `key_missing`, and what `open` raises when a file has become unreadable or exposed.
    """

    def __init__(self, directory: Path | None, given: _Keys) -> None:
        """Take the folder and the environment's keys; `open` is the way in."""
        self._directory = directory
        self._given = given
        self._files: frozenset[str] = frozenset()
        self._keys: _Keys = {}
        self._load()

    @classmethod
    def open(cls, directory: Path | None, environ: Mapping[str, str], *, create: bool = True) -> Self:
        """Read the keys, and make those that neither the folder nor the environment has.

        Processes that open the same new folder at once get the same keys. Pass `create=False` where
        data made with the keys exists already: fresh keys would then hide that the old ones are lost.
        Only those of `REPLACEABLE` are made then, and only in a folder that is there.

        Raises LedgerError: `key_missing` (nothing to read and nowhere to create), `key_malformed`,
        `key_file_exposed`, `key_folder_exposed`, `key_folder_unusable`, `key_conflict` (two pairwise keys).
        """
        given = {purpose: _from_environment(purpose, environ) for purpose in Purpose}
        if directory is not None:
            _check_folder(directory, create=create)
        if directory is not None and directory.is_dir():  # made by now, unless data exists: then it was lost
            have = {purpose for purpose, _ in _numbered(_names(directory))}
            for purpose in Purpose if create else REPLACEABLE:
                if not given[purpose] and purpose not in have:
                    _create(directory, purpose, 1)
        ring = cls(directory, given)
        for purpose in Purpose:
            ring._all(purpose)
        return ring

    def signing_key(self, origin: str) -> SigningKey:
        """Return the current key, named for the log of this origin."""
        return SigningKey.from_seed(origin, self._all(Purpose.LEDGER)[0].secret)

    def verifiers(self, origin: str) -> tuple[Verifier, ...]:
        """Return the public halves of the current key and then of the retired ones, newest first."""
        keys = self._all(Purpose.LEDGER)
        return tuple(SigningKey.from_seed(origin, key.secret).verifier for key in keys)

    def pairwise(self) -> bytes:
        """Return the 32-byte HMAC key. It stays the same: another one would change every id."""
        return self._loaded(Purpose.PAIRWISE)[0].secret

    def derived(self, use: str) -> tuple[bytes, ...]:
        """Return a 32-byte key for one use, of the current credentials key and then of the retired ones (HKDF)."""
        return tuple(
            HKDF(SHA256(), 32, salt=None, info=f"assigntask {use}".encode()).derive(key.secret)
            for key in self._all(Purpose.CREDENTIALS)
        )

    def wrap(self, plaintext: bytes, *, associated: bytes) -> bytes:
        """Encrypt under the current subjects key: 01 ‖ key id (4) ‖ nonce (12) ‖ AES-256-GCM with its tag.

        `associated` names the row: `unwrap` with any other refuses.
        """
        key = self._all(Purpose.SUBJECTS)[0]
        header = _WRAPPED_V1 + key.id
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return header + nonce + AESGCM(key.secret).encrypt(nonce, plaintext, header + associated)

    def unwrap(self, wrapped: bytes, *, associated: bytes) -> bytes:
        """Decrypt what `wrap` returned, also under a retired key.

        Raises LedgerError: `wrapped_malformed` for other bytes, `key_missing` when the key that wrapped
        them is gone, `key_wrong` when they were changed or belong to another row.
        """
        if len(wrapped) < _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES or wrapped[:1] != _WRAPPED_V1:
            raise LedgerError(
                "wrapped_malformed",
                f"These {len(wrapped)} bytes are not a wrapped value of version 1. "
                "Restore the row from a backup; a newer release may have written it.",
            )
        header, rest = wrapped[:_HEADER_BYTES], wrapped[_HEADER_BYTES:]
        key_id = header[len(_WRAPPED_V1) :]
        key = next((key for key in self._all(Purpose.SUBJECTS) if key.id == key_id), None)
        if key is None:
            raise LedgerError(
                "key_missing",
                f"The subjects key {key_id.hex()}, which wrapped this value, is not here. "
                f"Put its file back{self._where()}, or add it to {ENVIRONMENT[Purpose.SUBJECTS]}.",
            )
        nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            return AESGCM(key.secret).decrypt(nonce, sealed, header + associated)
        except InvalidTag:
            raise LedgerError(
                "key_wrong",
                f"The subjects key {key_id.hex()} does not open this value: "
                "it was changed, or it was copied from another row. Restore it from a backup.",
            ) from None

    def rotate(self, purpose: Purpose) -> str:
        """Make a new current key and return its id; the others are retired, not removed.

        Of two processes that rotate at the same moment one makes the key, and both use it.
        Raises LedgerError: `key_fixed` for pairwise, `key_in_environment` where only the operator can.
        """
        if purpose is Purpose.PAIRWISE:
            raise LedgerError(
                "key_fixed",
                "The pairwise key is never rotated: every installation would meet every person as a stranger.",
            )
        if self._directory is None or self._given[purpose]:
            variable = ENVIRONMENT[purpose]
            raise LedgerError(
                "key_in_environment",
                f"The {purpose} key is set by {variable}. To rotate it, put 32 new random bytes in base64 "
                f"before the present value, separated by a comma, and restart.",
            )
        taken = {key.id for key in self._all(purpose)}
        numbers = [number for kind, number in _numbered(self._files) if kind is purpose]
        _create(self._directory, purpose, max(numbers, default=0) + 1, taken)
        return self.ids(purpose)[0]

    def check(self) -> None:
        """Read all of them again. Raises what `open` raises."""
        self._load()
        for purpose in Purpose:
            self._loaded(purpose)

    def ids(self, purpose: Purpose) -> tuple[str, ...]:
        """Return the keys' ids as 8 hexadecimal digits, the current one first. They are no secret."""
        return tuple(key.id.hex() for key in self._all(purpose))

    def __repr__(self) -> str:
        shown = ", ".join(f"{purpose}={[key.id.hex() for key in keys]}" for purpose, keys in self._keys.items())
        return f"KeyRing({shown})"

    def _all(self, purpose: Purpose) -> tuple[_Key, ...]:
        if self._directory is not None and _names(self._directory) != self._files:
            self._load()
        return self._loaded(purpose)

    def _loaded(self, purpose: Purpose) -> tuple[_Key, ...]:
        keys = self._keys[purpose]
        if not keys:
            raise LedgerError(
                "key_missing",
                f"There is no {purpose} key. Put its file {purpose}-1.key back{self._where()}, or set "
                f"{ENVIRONMENT[purpose]} to it; a new host takes 32 random bytes in base64.",
            )
        return keys

    def _load(self) -> None:
        files = frozenset() if self._directory is None else _names(self._directory)
        stored: dict[Purpose, list[_Key]] = {purpose: [] for purpose in Purpose}
        for purpose, number in sorted(_numbered(files), reverse=True):
            if self._directory is not None:
                text = _read(self._directory / _file_name(purpose, number))
                stored[purpose].append(_parse(purpose, text, f"The file {_file_name(purpose, number)}"))
        # A key may be in both places while it moves from one to the other; it counts once.
        keys = {purpose: tuple(dict.fromkeys((*self._given[purpose], *stored[purpose]))) for purpose in Purpose}
        if len(keys[Purpose.PAIRWISE]) > 1:
            raise LedgerError(
                "key_conflict",
                "There are two different pairwise keys, and people's ids follow from it. "
                f"Keep the older one{self._where()} or in {ENVIRONMENT[Purpose.PAIRWISE]}, not both.",
            )
        self._keys, self._files = keys, files

    def _where(self) -> str:
        return "" if self._directory is None else f" in {self._directory}"


def _from_environment(purpose: Purpose, environ: Mapping[str, str]) -> tuple[_Key, ...]:
    variable = ENVIRONMENT[purpose]
    value = environ.get(variable, "").strip()
    if not value:
        return ()
    return tuple(_parse(purpose, part, f"The environment variable {variable}") for part in value.split(","))


def _parse(purpose: Purpose, text: str, source: str) -> _Key:
    secret = exact_base64(text.strip())
    if secret is None or len(secret) != KEY_BYTES:
        # The text itself is a secret, also when a character of it is wrong.
        raise LedgerError(
            "key_malformed",
            f"{source} does not hold {KEY_BYTES} bytes in base64 (44 characters). Restore it from a backup.",
        )
    return _Key.of(purpose, secret)


def _file_name(purpose: Purpose, number: int) -> str:
    return f"{purpose}-{number}.key"


def _numbered(names: Iterable[str]) -> set[tuple[Purpose, int]]:
    matches = (_FILE.fullmatch(name) for name in names)
    return {(Purpose(match[1]), int(match[2])) for match in matches if match}


def _names(directory: Path) -> frozenset[str]:
    """Return the key files in the folder; none when it does not exist."""
    try:
        return frozenset(path.name for path in directory.iterdir() if _FILE.fullmatch(path.name))
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise _unusable(directory, error) from None


def _check_folder(directory: Path, *, create: bool) -> None:
    try:
        if create:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(directory.stat().st_mode)
    except FileNotFoundError:
        return  # then the environment has every key, or the first one missing is named
    except OSError as error:
        raise _unusable(directory, error) from None
    if mode & 0o022:
        raise LedgerError(
            "key_folder_exposed",
            f"Others may write to the key folder {directory} (mode {mode:04o}) and so replace keys. "
            f"Run: chmod 700 {directory}",
        )


def _read(path: Path) -> str:
    try:
        # Without O_NONBLOCK a pipe in a key's place would hang the host.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)  # of what was opened, so that nothing can be swapped in between
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISREG(status.st_mode) and mode & 0o077:
                raise LedgerError(
                    "key_file_exposed",
                    f"Others may use the key file {path} (mode {mode:04o}). Run: chmod 600 {path} "
                    "and, if somebody else has an account on this machine, rotate the key.",
                )
            data = file.read(_MAX_FILE_BYTES) if stat.S_ISREG(status.st_mode) else b""
    except OSError as error:
        raise _unusable(path, error) from None
    return data.decode(errors="replace")


def _create(directory: Path, purpose: Purpose, number: int, taken: Iterable[bytes] = ()) -> None:
    """Write a new key, whole and flushed, unless another process has made this number already."""
    key = _Key.of(purpose, secrets.token_bytes(KEY_BYTES))
    while key.id in taken:
        key = _Key.of(purpose, secrets.token_bytes(KEY_BYTES))
    draft = directory / f".{purpose}-{secrets.token_hex(8)}.draft"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(key.secret) + b"\n")
                file.flush()
                os.fsync(descriptor)
            # A link appears whole or not at all, and never over a file that is there: a rename would.
            (directory / _file_name(purpose, number)).hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        _flush_folder(directory)
    except OSError as error:
        raise _unusable(directory, error) from None


def _flush_folder(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, error: OSError) -> LedgerError:
    return LedgerError(
        "key_folder_unusable",
        f"{path} can't be used for keys: {error.strerror}. "
        "Give the account that runs this access to it, or name another folder.",
    )
