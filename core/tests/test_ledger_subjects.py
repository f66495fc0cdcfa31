"""The subjects' keys: made once, kept wrapped, and destroyed for ever."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from assigntask.db import new_id
from assigntask.errors import HostError
from assigntask.ledger import subjects
from assigntask.ledger.errors import LedgerError
from assigntask.ledger.keys import KeyRing, Purpose
from assigntask.ledger.subjects import SubjectKeys, subject_ref

MAKER = """
import sys
from hashlib import sha256
from pathlib import Path
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.subjects import SubjectKeys

url, folder, *ids = sys.argv[1:]
keys = KeyRing.open(Path(folder), {}, create=False)
print("ready", flush=True)
sys.stdin.readline()
opened = SubjectKeys(url, keys)
made = opened.ensure(ids)
print(" ".join(sha256(made[id]).hexdigest() for id in ids), flush=True)
opened.close()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for keys: a file of its own, or a database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'keys-of-subjects.db'}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def store(url: str, keys: KeyRing) -> Iterator[SubjectKeys]:
    opened = SubjectKeys(url, keys)
    yield opened
    opened.close()


@pytest.fixture
def again(url: str, store: SubjectKeys, keys: KeyRing, monkeypatch: pytest.MonkeyPatch) -> Iterator[SubjectKeys]:
    """The same keys as another process has them, with nothing remembered for longer than a call."""
    monkeypatch.setattr(subjects, "CACHE_SECONDS", -1.0)
    opened = SubjectKeys(url, keys)
    yield opened
    opened.close()


def code(error: pytest.ExceptionInfo[HostError]) -> str:
    return error.value.code


def wrapped_in(url: str, subject_id: str) -> bytes | None:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as conn:
        query = sa.text("SELECT wrapped FROM subject_key WHERE subject_id = :id")
        found = conn.execute(query, {"id": subject_id}).scalar()
    engine.dispose()
    return None if found is None else bytes(found)


def test_the_file_of_keys_is_its_owners_alone(tmp_path: Path, keys: KeyRing) -> None:
    path = tmp_path / "new" / "subjects.db"
    SubjectKeys(f"sqlite:///{path}", keys).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_subject_has_one_key_of_its_own_for_good(store: SubjectKeys, again: SubjectKeys) -> None:
    one, other = new_id(), new_id()
    made = store.ensure([one, other])
    assert len({len(key) for key in made.values()} | {32}) == 1
    assert made[one] != made[other]
    assert store.ensure([one]) == again.ensure([one]) == {one: made[one]}
    assert again.existing([one, new_id()]) == {one: made[one]}


def test_asking_for_what_exists_makes_nothing(store: SubjectKeys) -> None:
    subject = new_id()
    assert store.existing([subject]) == {}
    assert store.existing([]) == store.ensure([]) == {}
    assert store.cached([subject]) is None
    assert not store.exists(subject)
    store.create(subject)
    assert store.exists(subject)
    assert store.cached([subject]) == store.ensure([subject])


def test_thousands_are_found_at_once(store: SubjectKeys, again: SubjectKeys) -> None:
    ids = [new_id() for _ in range(1100)]
    made = store.ensure(ids[:40])
    assert again.existing(ids) == made


def test_a_destroyed_key_stays_destroyed(store: SubjectKeys, again: SubjectKeys, url: str, keys: KeyRing) -> None:
    subject = new_id()
    sealed = store.seal(subject, b"value", associated=b"row")
    assert again.open(subject, sealed, associated=b"row") == b"value"
    store.destroy(subject)
    store.destroy(subject)
    fresh = SubjectKeys(url, keys)
    for each in (store, again, fresh):
        assert each.ensure([subject]) == each.existing([subject]) == {}
        assert not each.exists(subject)
        with pytest.raises(HostError) as gone:
            each.seal(subject, b"value", associated=b"row")
        assert code(gone) == "subject_key_gone"
        with pytest.raises(HostError) as gone:
            each.open(subject, sealed, associated=b"row")
        assert code(gone) == "subject_key_gone"
    fresh.close()


def test_a_subject_whose_key_was_destroyed_before_it_was_made_never_gets_one(
    store: SubjectKeys, again: SubjectKeys
) -> None:
    subject = new_id()
    store.destroy(subject)
    store.create(subject)
    assert store.ensure([subject]) == again.ensure([subject]) == {}


def test_a_key_is_used_for_a_bounded_time_after_another_process_destroyed_it(
    store: SubjectKeys, url: str, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = new_id()
    other = SubjectKeys(url, keys)
    store.create(subject)
    assert other.exists(subject)
    store.destroy(subject)
    assert other.cached([subject]) is not None
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + subjects.CACHE_SECONDS + 1)
    assert other.cached([subject]) is None
    assert not other.exists(subject)
    other.close()


async def test_processes_that_make_a_key_at_once_make_one(url: str, keys: KeyRing, tmp_path: Path) -> None:
    ids = [new_id() for _ in range(20)]
    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-c", MAKER, url, str(tmp_path / "keys"), *ids)
    processes = [await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    answers = [out for out, _ in await asyncio.gather(*(process.communicate(b"go\n") for process in processes))]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(answers)) == 1
    assert len(set(answers[0].split())) == len(ids)


def test_the_key_is_kept_wrapped_by_a_key_that_is_elsewhere(url: str, store: SubjectKeys, keys: KeyRing) -> None:
    subject = new_id()
    key = store.ensure([subject])[subject]
    wrapped = wrapped_in(url, subject)
    assert wrapped is not None
    assert key not in wrapped
    assert keys.unwrap(wrapped, associated=subject.encode()) == key


def test_a_key_is_readable_after_the_wrapping_key_was_changed(
    store: SubjectKeys, again: SubjectKeys, keys: KeyRing
) -> None:
    subject = new_id()
    key = store.ensure([subject])
    keys.rotate(Purpose.SUBJECTS)
    assert again.ensure([subject]) == key


def test_other_key_files_are_refused_by_a_code(url: str, store: SubjectKeys, tmp_path: Path) -> None:
    subject = new_id()
    store.create(subject)
    stranger = SubjectKeys(url, KeyRing.open(tmp_path / "stranger", {}))
    for ask in (stranger.ensure, stranger.existing):
        with pytest.raises(LedgerError) as refused:
            ask([subject])
        assert refused.value.code == "key_missing"
    stranger.close()


def test_a_key_moved_to_another_subject_is_refused(url: str, store: SubjectKeys, again: SubjectKeys) -> None:
    one, other = new_id(), new_id()
    store.ensure([one, other])
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as conn:
        statement = sa.text("UPDATE subject_key SET wrapped = :wrapped WHERE subject_id = :id")
        conn.execute(statement, {"wrapped": wrapped_in(url, one), "id": other})
    engine.dispose()
    with pytest.raises(LedgerError) as refused:
        again.existing([other])
    assert refused.value.code == "key_wrong"


def test_a_sealed_value_can_not_be_changed_or_moved(store: SubjectKeys) -> None:
    one, other = new_id(), new_id()
    sealed = store.seal(one, b"value", associated=b"row")
    store.create(other)
    wrong: list[tuple[str, bytes, bytes]] = [
        (one, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"row"),
        (one, sealed, b"another row"),
        (other, sealed, b"row"),
        (one, b"", b"row"),
    ]
    for subject, data, row in wrong:
        with pytest.raises(HostError) as refused:
            store.open(subject, data, associated=row)
        assert code(refused) == "sealed_value_damaged"


def test_nothing_of_a_destroyed_key_is_left_in_the_file(tmp_path: Path, keys: KeyRing) -> None:
    path = tmp_path / "keys-of-subjects.db"
    store = SubjectKeys(f"sqlite:///{path}", keys)
    ids = [new_id() for _ in range(50)]
    store.ensure(ids)
    wrapped = {subject: wrapped_in(f"sqlite:///{path}", subject) for subject in ids}
    before = path.read_bytes()
    assert all(each is not None and each in before for each in wrapped.values())
    for subject in ids[10:20]:
        store.destroy(subject)
    files = b"".join(each.read_bytes() for each in tmp_path.glob(f"{path.name}*"))
    for number, each in enumerate(wrapped.values()):
        assert each is not None
        assert (each in files) is not (10 <= number < 20)
    store.close()


@given(st.binary(min_size=32, max_size=32), st.text(max_size=40), st.integers(0, 9))
def test_a_reference_is_32_digits_and_another_for_each_installation_and_generation(
    key: bytes, installation: str, generation: int
) -> None:
    ref = subject_ref(key, installation, generation)
    assert re.fullmatch("[0-9a-f]{32}", ref)
    assert ref == subject_ref(key, installation, generation)
    others = {
        subject_ref(key, installation, generation + 1),
        subject_ref(key, installation + "x", generation),
        subject_ref(key[:-1] + bytes([key[-1] ^ 1]), installation, generation),
    }
    assert len(others | {ref}) == 4
