"""The keys of subjects. Whoever has a subject's key can tell which entries are about them, and read the values.

The keys are in a store of their own, wrapped by a key that is neither there nor in the database. Destroying
a key is how a person is forgotten: what was sealed under it is noise from then on, in every backup too.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest as hmac_digest

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assigntask.db.side import open_side_store
from assigntask.errors import HostError
from assigntask.ledger.keys import KeyRing

_metadata = sa.MetaData()
_subject_key = sa.Table(
    "subject_key",
    _metadata,
    sa.Column("subject_id", sa.String(36), primary_key=True),
    sa.Column("wrapped", sa.LargeBinary),  # null once destroyed
    sa.Column("changed_at", sa.String(32), nullable=False),
)

NONCE_BYTES = 12
CACHE_SECONDS = 30.0  # a key destroyed by another process is used no longer than this
CACHE_SIZE = 20_000


def subject_ref(key: bytes, installation_id: str, generation: int) -> str:
    """How entries name a subject: different for each installation and generation, 32 hex digits.

    Without the subject's key it can't be told from a random number.
    """
    return hmac_digest(key, f"ref\0{installation_id}\0{generation}".encode(), sha256)[:16].hex()


class SubjectKeys:
    def __init__(self, url: str, keys: KeyRing) -> None:
        self._engine = open_side_store(url)
        self._keys = keys
        self._cache: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._lock = threading.RLock()
        try:
            _metadata.create_all(self._engine)
        except sa.exc.DBAPIError:  # another process made the table in this moment
            _metadata.create_all(self._engine)

    def close(self) -> None:
        self._cache.clear()
        self._engine.dispose()

    def create(self, subject_id: str) -> None:
        self.ensure([subject_id])

    def ensure(self, subject_ids: Iterable[str]) -> dict[str, bytes]:
        """The keys of these subjects, made where there is none yet. A destroyed one is left out."""
        wanted = set(subject_ids)
        with self._lock:
            found = self._known(wanted)
            missing = wanted - found.keys()
            if missing:
                destroyed = self._read(missing, found)
                for subject_id in sorted(missing - found.keys() - destroyed):
                    self._insert(subject_id, self._keys.wrap(os.urandom(32), associated=subject_id.encode()))
                self._read(missing - destroyed, found)
            return found

    def cached(self, subject_ids: Iterable[str]) -> dict[str, bytes] | None:
        """The keys without touching the disk, or None where one is not at hand."""
        wanted = set(subject_ids)
        found = self._known(wanted)  # without the lock: whoever has it may be waiting for the disk
        return found if len(found) == len(wanted) else None

    def existing(self, subject_ids: Iterable[str]) -> dict[str, bytes]:
        """The keys that are there; none is made."""
        wanted = set(subject_ids)
        with self._lock:
            found = self._known(wanted)
            self._read(wanted - found.keys(), found)
            return found

    def exists(self, subject_id: str) -> bool:
        return subject_id in self.existing([subject_id])

    def destroy(self, subject_id: str) -> None:
        """For ever. A row without a key stays, so that none is made again for this subject."""
        with self._lock:
            self._cache.pop(subject_id, None)
            if not self._erase(subject_id):
                self._insert(subject_id, None)
                self._erase(subject_id)  # another process may have made one in between

    def destroyed(self) -> list[str]:
        """The subjects whose key was destroyed, sorted."""
        query = sa.select(_subject_key.c.subject_id).where(_subject_key.c.wrapped.is_(None))
        with self._lock, self._engine.connect() as conn:
            return sorted(conn.execute(query).scalars())

    def wrapped(self) -> dict[str, bytes | None]:
        """All keys as they are kept, None where one was destroyed: for a copy of this store."""
        with self._lock, self._engine.connect() as conn:
            return {row.subject_id: row.wrapped for row in conn.execute(sa.select(_subject_key))}

    def take(self, subject_id: str, wrapped: bytes | None) -> None:
        """Keeps a key that a store with the same key ring had wrapped. One that is there stays as it is."""
        with self._lock:
            self._insert(subject_id, wrapped)

    def _erase(self, subject_id: str) -> bool:
        with self._engine.begin() as conn:
            changed = conn.execute(
                sa.update(_subject_key)
                .where(_subject_key.c.subject_id == subject_id)
                .values(wrapped=None, changed_at=_now())
            )
        return changed.rowcount > 0

    def seal(self, subject_id: str, data: bytes, *, associated: bytes) -> bytes:
        """AES-GCM under the subject's key. Raises HostError `subject_key_gone` for a forgotten subject."""
        key = self.ensure([subject_id]).get(subject_id)
        if key is None:
            raise _gone()
        return seal(key, data, associated=associated)

    def open(self, subject_id: str, sealed: bytes, *, associated: bytes) -> bytes:
        """Raises HostError `subject_key_gone`, or `sealed_value_damaged` where it was changed or moved."""
        key = self.existing([subject_id]).get(subject_id)
        if key is None:
            raise _gone()
        return unseal(key, sealed, associated=associated)

    def _known(self, wanted: set[str]) -> dict[str, bytes]:
        now = time.monotonic()
        found: dict[str, bytes] = {}
        for subject_id in wanted:
            cached = self._cache.get(subject_id)
            if cached is not None and cached[1] > now:
                found[subject_id] = cached[0]
        return found

    def _read(self, wanted: set[str], found: dict[str, bytes]) -> set[str]:
        """Adds to `found`; returns those that were destroyed."""
        destroyed: set[str] = set()
        ids = sorted(wanted)
        if not ids:
            return destroyed
        with self._engine.connect() as conn:
            for start in range(0, len(ids), 500):
                part = ids[start : start + 500]
                rows = conn.execute(sa.select(_subject_key).where(_subject_key.c.subject_id.in_(part))).all()
                for row in rows:
                    if row.wrapped is None:
                        destroyed.add(row.subject_id)
                    else:
                        key = self._keys.unwrap(row.wrapped, associated=row.subject_id.encode())
                        found[row.subject_id] = key
                        self._remember(row.subject_id, key)
        return destroyed

    def _insert(self, subject_id: str, wrapped: bytes | None) -> None:
        row = {"subject_id": subject_id, "wrapped": wrapped, "changed_at": _now()}
        with suppress(sa.exc.IntegrityError), self._engine.begin() as conn:  # another process was first: theirs holds
            conn.execute(sa.insert(_subject_key).values(**row))

    def _remember(self, subject_id: str, key: bytes) -> None:
        self._cache[subject_id] = (key, time.monotonic() + CACHE_SECONDS)
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)


def seal(key: bytes, data: bytes, *, associated: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, associated)


def unseal(key: bytes, sealed: bytes, *, associated: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
    except (InvalidTag, ValueError) as error:
        raise HostError(
            "sealed_value_damaged",
            "A sealed value was changed, or belongs to another row. Restore the database from a backup.",
        ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _gone() -> HostError:
    return HostError(
        "subject_key_gone", "This person was forgotten: what was sealed for them can't be read or added to."
    )
