"""Key files and variables: who may read them, what rotation keeps, and what is never shown."""

import base64
import hmac
import json
import os
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assigntask.ledger.checkpoint import Checkpoint, sign, verify
from assigntask.ledger.errors import LedgerError
from assigntask.ledger.keys import ENVIRONMENT, REPLACEABLE, KeyRing, Purpose

ORIGIN = "assigntask.example/harbour"
SECRETS = {purpose: bytes([number]) * 32 for number, purpose in enumerate(Purpose, 1)}
ENVIRON = {ENVIRONMENT[purpose]: base64.b64encode(secret).decode() for purpose, secret in SECRETS.items()}


def code_of(error: pytest.ExceptionInfo[LedgerError]) -> str:
    return error.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def written(path: Path, secret: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(base64.b64encode(secret) + b"\n")
    path.chmod(0o600)
    return path


def test_a_new_folder_gets_one_key_of_each_purpose_for_the_owner_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        KeyRing.open(folder, {})
    finally:
        os.umask(before)
    assert mode_of(folder) == 0o700
    files = sorted(folder.iterdir())
    names = ["credentials-1.key", "ledger-1.key", "pairwise-1.key", "subjects-1.key"]
    assert [file.name for file in files] == names
    assert {mode_of(file) for file in files} == {0o600}
    assert len({file.read_bytes() for file in files}) == len(names)
    assert {len(base64.b64decode(file.read_bytes())) for file in files} == {32}


def test_opening_again_gives_the_same_keys(folder: Path) -> None:
    first, second = KeyRing.open(folder, {}), KeyRing.open(folder, {})
    assert first.pairwise() == second.pairwise()
    assert first.verifiers(ORIGIN) == second.verifiers(ORIGIN)
    assert second.unwrap(first.wrap(b"value", associated=b"row"), associated=b"row") == b"value"
    assert first.ids(Purpose.SUBJECTS) == second.ids(Purpose.SUBJECTS)


def test_hosts_have_different_keys(tmp_path: Path) -> None:
    one, two = KeyRing.open(tmp_path / "one", {}), KeyRing.open(tmp_path / "two", {})
    assert one.pairwise() != two.pairwise()
    for purpose in Purpose:
        assert one.ids(purpose) != two.ids(purpose)


OPENER = """
import json, sys
from pathlib import Path
from assigntask.ledger.keys import KeyRing, Purpose
print("ready", flush=True)
sys.stdin.readline()
ring = KeyRing.open(Path(sys.argv[1]), {})
if sys.argv[2] == "rotate":
    ring.rotate(Purpose.LEDGER)
print(json.dumps([ring.ids(purpose) for purpose in Purpose]), flush=True)
"""


def at_once(folder: Path, what: str, processes: int = 6) -> list[list[list[str]]]:
    """Start processes, let all of them go together, and return the ids that each of them read."""
    command = [sys.executable, "-c", OPENER, str(folder), what]
    with ExitStack() as running:
        pipes: list[tuple[IO[str], IO[str]]] = []
        for _ in range(processes):
            process = running.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, text=True))
            running.callback(process.kill)
            assert process.stdin is not None and process.stdout is not None
            pipes.append((process.stdin, process.stdout))
        assert [out.readline() for _, out in pipes] == ["ready\n"] * processes
        for go, _ in pipes:
            go.write("\n")
            go.flush()
        return [json.loads(out.readline()) for _, out in pipes]


def test_processes_that_open_a_new_folder_at_once_get_the_same_keys(folder: Path) -> None:
    answers = at_once(folder, "open")
    assert all(answer == answers[0] for answer in answers)
    assert len(list(folder.iterdir())) == len(Purpose)


def test_processes_that_rotate_at_once_lose_no_key_and_leave_no_draft(folder: Path) -> None:
    first = KeyRing.open(folder, {}).ids(Purpose.LEDGER)[0]
    at_once(folder, "rotate")
    ids = KeyRing.open(folder, {}).ids(Purpose.LEDGER)
    assert ids[-1] == first
    assert len(ids) == len(set(ids)) >= 2
    assert sorted(file.suffix for file in folder.iterdir()) == [".key"] * (len(ids) + len(Purpose) - 1)


def test_the_draft_of_a_killed_process_is_no_key(folder: Path) -> None:
    ring = KeyRing.open(folder, {})
    written(folder / ".ledger-0123456789abcdef.draft", bytes(32))
    assert KeyRing.open(folder, {}).ids(Purpose.LEDGER) == ring.ids(Purpose.LEDGER)


@pytest.mark.parametrize("bit", [0o040, 0o020, 0o010, 0o004, 0o002, 0o001])
@pytest.mark.parametrize("purpose", Purpose)
def test_a_file_that_others_may_use_is_refused_with_the_remedy(folder: Path, purpose: Purpose, bit: int) -> None:
    KeyRing.open(folder, {})
    path = folder / f"{purpose}-1.key"
    path.chmod(0o600 | bit)
    with pytest.raises(LedgerError, match=f"chmod 600 {path}") as error:
        KeyRing.open(folder, {})
    assert code_of(error) == "key_file_exposed"
    path.chmod(0o600)
    KeyRing.open(folder, {})


@pytest.mark.parametrize("create", [True, False])
def test_a_folder_that_others_may_write_to_is_refused_with_the_remedy(folder: Path, create: bool) -> None:
    KeyRing.open(folder, {})
    folder.chmod(0o770)
    with pytest.raises(LedgerError, match=f"chmod 700 {folder}") as error:
        KeyRing.open(folder, {}, create=create)
    assert code_of(error) == "key_folder_exposed"


def test_a_folder_that_can_t_be_one_is_a_coded_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "keys"):
        with pytest.raises(LedgerError) as error:
            KeyRing.open(path, {})
        assert code_of(error) == "key_folder_unusable"


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"not base64", base64.b64encode(bytes(31)), base64.b64encode(bytes(33)), b"A" * 10_000, b"\xff"],
)
def test_a_damaged_file_is_named_and_its_content_is_not_shown(folder: Path, content: bytes) -> None:
    KeyRing.open(folder, {})
    (folder / "subjects-1.key").write_bytes(content)
    with pytest.raises(LedgerError, match=r"subjects-1\.key") as error:
        KeyRing.open(folder, {})
    assert code_of(error) == "key_malformed"
    if content.strip().isalnum():
        assert content.decode() not in str(error.value)


def test_a_pipe_or_a_folder_in_a_key_s_place_is_refused_and_does_not_hang(folder: Path) -> None:
    KeyRing.open(folder, {})
    path = folder / "ledger-2.key"
    os.mkfifo(path, 0o600)
    with pytest.raises(LedgerError) as error:
        KeyRing.open(folder, {})
    assert code_of(error) == "key_malformed"
    path.unlink()
    path.mkdir(mode=0o700)
    with pytest.raises(LedgerError) as error:
        KeyRing.open(folder, {})
    assert code_of(error) in {"key_malformed", "key_folder_unusable"}


def test_the_environment_alone_is_enough_and_touches_no_folder(tmp_path: Path) -> None:
    ring = KeyRing.open(None, ENVIRON)
    assert ring.pairwise() == SECRETS[Purpose.PAIRWISE]
    assert ring.unwrap(ring.wrap(b"value", associated=b""), associated=b"") == b"value"
    assert list(tmp_path.iterdir()) == []


def test_a_key_of_the_environment_is_not_also_made_in_the_folder(folder: Path) -> None:
    variable = ENVIRONMENT[Purpose.LEDGER]
    KeyRing.open(folder, {variable: ENVIRON[variable]})
    assert sorted(file.name for file in folder.iterdir()) == [
        "credentials-1.key",
        "pairwise-1.key",
        "subjects-1.key",
    ]


def test_the_environment_s_key_is_current_and_the_folder_s_retired(folder: Path) -> None:
    before = KeyRing.open(folder, {})
    variable = ENVIRONMENT[Purpose.SUBJECTS]
    after = KeyRing.open(folder, {variable: ENVIRON[variable]})
    assert after.ids(Purpose.SUBJECTS)[1:] == before.ids(Purpose.SUBJECTS)
    assert after.unwrap(before.wrap(b"value", associated=b""), associated=b"") == b"value"
    with pytest.raises(LedgerError):
        before.unwrap(after.wrap(b"value", associated=b""), associated=b"")


def test_a_key_moved_from_the_folder_to_the_environment_counts_once(folder: Path) -> None:
    before = KeyRing.open(folder, {})
    text = (folder / "pairwise-1.key").read_text()
    after = KeyRing.open(folder, {ENVIRONMENT[Purpose.PAIRWISE]: text})
    assert after.pairwise() == before.pairwise()
    assert after.ids(Purpose.PAIRWISE) == before.ids(Purpose.PAIRWISE)


@pytest.mark.parametrize("purpose", Purpose)
def test_without_a_folder_a_missing_variable_is_named(purpose: Purpose) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != ENVIRONMENT[purpose]}
    for without in (environ, {**environ, ENVIRONMENT[purpose]: "  "}):
        with pytest.raises(LedgerError, match=ENVIRONMENT[purpose]) as error:
            KeyRing.open(None, without)
        assert code_of(error) == "key_missing"


def test_a_damaged_variable_is_named_and_its_content_is_not_shown() -> None:
    value = ENVIRON[ENVIRONMENT[Purpose.LEDGER]][:-2]
    with pytest.raises(LedgerError, match=ENVIRONMENT[Purpose.LEDGER]) as error:
        KeyRing.open(None, {**ENVIRON, ENVIRONMENT[Purpose.LEDGER]: value})
    assert code_of(error) == "key_malformed"
    assert value not in str(error.value)


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - REPLACEABLE))
def test_where_data_exists_a_lost_key_is_not_replaced(folder: Path, purpose: Purpose) -> None:
    KeyRing.open(folder, {})
    (folder / f"{purpose}-1.key").unlink()
    with pytest.raises(LedgerError, match=f"{purpose}-1.key") as error:
        KeyRing.open(folder, {}, create=False)
    assert code_of(error) == "key_missing"
    assert not (folder / f"{purpose}-1.key").exists()


@pytest.mark.parametrize("purpose", sorted(REPLACEABLE))
def test_a_replaceable_key_is_made_where_it_is_missing(folder: Path, purpose: Purpose) -> None:
    before = KeyRing.open(folder, {})
    path = folder / f"{purpose}-1.key"
    path.unlink()
    after = KeyRing.open(folder, {}, create=False)
    assert mode_of(path) == 0o600
    assert after.ids(purpose) != before.ids(Purpose.LEDGER)
    assert after.pairwise() == before.pairwise()


def test_a_replaceable_key_of_the_environment_is_not_also_made_in_the_folder(folder: Path) -> None:
    variable = ENVIRONMENT[Purpose.CREDENTIALS]
    KeyRing.open(folder, {variable: ENVIRON[variable]})
    KeyRing.open(folder, {variable: ENVIRON[variable]}, create=False)
    assert not (folder / "credentials-1.key").exists()


def test_where_data_exists_a_lost_folder_is_not_replaced(folder: Path) -> None:
    with pytest.raises(LedgerError) as error:
        KeyRing.open(folder, {}, create=False)
    assert code_of(error) == "key_missing"
    KeyRing.open(folder, ENVIRON, create=False)
    assert not folder.exists()


def test_checkpoints_from_before_a_rotation_still_verify(folder: Path) -> None:
    ring = KeyRing.open(folder, {})
    checkpoint = Checkpoint(ORIGIN, 1, bytes(32))
    old = ring.signing_key(ORIGIN)
    note = sign(checkpoint, old)
    ring.rotate(Purpose.LEDGER)
    new = ring.signing_key(ORIGIN)
    assert new.verifier != old.verifier
    assert ring.verifiers(ORIGIN) == (new.verifier, old.verifier)
    for signed in (note, sign(checkpoint, new)):
        assert verify(signed, ring.verifiers(ORIGIN)) == checkpoint


def test_the_newest_of_more_than_nine_keys_is_current(folder: Path) -> None:
    ring = KeyRing.open(folder, {})
    made = [ring.ids(Purpose.LEDGER)[0], *(ring.rotate(Purpose.LEDGER) for _ in range(10))]
    assert ring.ids(Purpose.LEDGER) == tuple(reversed(made))
    assert KeyRing.open(folder, {}).ids(Purpose.LEDGER) == tuple(reversed(made))


def test_values_wrapped_before_a_rotation_still_unwrap(folder: Path) -> None:
    ring = KeyRing.open(folder, {})
    old = ring.wrap(b"old", associated=b"row")
    key_id = ring.rotate(Purpose.SUBJECTS)
    new = ring.wrap(b"new", associated=b"row")
    assert new[1:5].hex() == key_id == ring.ids(Purpose.SUBJECTS)[0]
    assert old[1:5].hex() == ring.ids(Purpose.SUBJECTS)[1]
    assert ring.unwrap(old, associated=b"row") == b"old"
    assert ring.unwrap(new, associated=b"row") == b"new"


def test_a_rotation_by_another_process_is_seen_at_the_next_call(folder: Path) -> None:
    here, there = KeyRing.open(folder, {}), KeyRing.open(folder, {})
    there.rotate(Purpose.SUBJECTS)
    there.rotate(Purpose.LEDGER)
    assert here.unwrap(there.wrap(b"value", associated=b""), associated=b"") == b"value"
    assert here.signing_key(ORIGIN).verifier == there.signing_key(ORIGIN).verifier


def test_a_removed_retired_key_opens_nothing_any_more(folder: Path) -> None:
    ring = KeyRing.open(folder, {})
    wrapped = ring.wrap(b"value", associated=b"")
    key_id = ring.ids(Purpose.SUBJECTS)[0]
    ring.rotate(Purpose.SUBJECTS)
    (folder / "subjects-1.key").unlink()
    with pytest.raises(LedgerError, match=key_id) as error:
        ring.unwrap(wrapped, associated=b"")
    assert code_of(error) == "key_missing"


def test_a_key_that_vanishes_under_a_running_host_is_missed_and_not_remade(folder: Path) -> None:
    ring = KeyRing.open(folder, {})
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    for call in (
        lambda: ring.signing_key(ORIGIN),
        lambda: ring.verifiers(ORIGIN),
        lambda: ring.wrap(b"", associated=b""),
        ring.pairwise,
    ):
        with pytest.raises(LedgerError) as error:
            call()
        assert code_of(error) == "key_missing"
    assert not folder.exists()


def test_the_pairwise_key_is_never_rotated(folder: Path) -> None:
    ring = KeyRing.open(folder, {})
    before = ring.pairwise()
    with pytest.raises(LedgerError) as error:
        ring.rotate(Purpose.PAIRWISE)
    assert code_of(error) == "key_fixed"
    assert KeyRing.open(folder, {}).pairwise() == before


def test_a_second_pairwise_key_is_refused_wherever_it_is(folder: Path) -> None:
    KeyRing.open(folder, {})
    variable = ENVIRONMENT[Purpose.PAIRWISE]
    with pytest.raises(LedgerError) as error:
        KeyRing.open(folder, {variable: ENVIRON[variable]})
    assert code_of(error) == "key_conflict"
    written(folder / "pairwise-2.key", bytes(32))
    with pytest.raises(LedgerError) as error:
        KeyRing.open(folder, {})
    assert code_of(error) == "key_conflict"


def test_a_key_in_the_environment_is_rotated_there(folder: Path) -> None:
    old = ENVIRON[ENVIRONMENT[Purpose.SUBJECTS]]
    for ring in (KeyRing.open(None, ENVIRON), KeyRing.open(folder, ENVIRON)):
        with pytest.raises(LedgerError, match=ENVIRONMENT[Purpose.SUBJECTS]) as error:
            ring.rotate(Purpose.SUBJECTS)
        assert code_of(error) == "key_in_environment"
    wrapped = KeyRing.open(None, ENVIRON).wrap(b"value", associated=b"")
    new = base64.b64encode(bytes(32)).decode()
    rotated = KeyRing.open(None, {**ENVIRON, ENVIRONMENT[Purpose.SUBJECTS]: f"{new}, {old}"})
    assert rotated.unwrap(wrapped, associated=b"") == b"value"
    assert rotated.wrap(b"", associated=b"")[1:5] != wrapped[1:5]


@given(st.binary(max_size=300), st.binary(max_size=60))
@settings(deadline=None)
def test_wrapping_hides_the_value_and_gives_it_back(plaintext: bytes, associated: bytes) -> None:
    ring = KeyRing.open(None, ENVIRON)
    wrapped = ring.wrap(plaintext, associated=associated)
    assert ring.unwrap(wrapped, associated=associated) == plaintext
    assert len(wrapped) == 1 + 4 + 12 + len(plaintext) + 16
    assert wrapped != ring.wrap(plaintext, associated=associated)
    if len(plaintext) >= 8:
        assert plaintext not in wrapped


@given(st.binary(max_size=50), st.data())
@settings(deadline=None)
def test_any_changed_bit_or_another_row_is_refused(plaintext: bytes, data: st.DataObject) -> None:
    ring = KeyRing.open(None, ENVIRON)
    wrapped = bytearray(ring.wrap(plaintext, associated=b"row 1"))
    with pytest.raises(LedgerError) as error:
        ring.unwrap(bytes(wrapped), associated=b"row 2")
    assert code_of(error) == "key_wrong"
    bit = data.draw(st.integers(0, len(wrapped) * 8 - 1))
    wrapped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(LedgerError) as error:
        ring.unwrap(bytes(wrapped), associated=b"row 1")
    expected = {0: "wrapped_malformed", 1: "key_missing", 2: "key_missing", 3: "key_missing", 4: "key_missing"}
    assert code_of(error) == expected.get(bit // 8, "key_wrong")


@given(st.binary(max_size=40))
@settings(deadline=None)
def test_bytes_that_were_never_wrapped_are_a_coded_error(data: bytes) -> None:
    with pytest.raises(LedgerError) as error:
        KeyRing.open(None, ENVIRON).unwrap(data, associated=b"")
    assert code_of(error) in {"wrapped_malformed", "key_missing"}


def test_a_derived_key_is_hkdf_of_the_credentials_key_and_differs_by_use() -> None:
    ring = KeyRing.open(None, ENVIRON)
    (signing,) = ring.derived("app signing")
    # RFC 5869 by hand: no salt, one block.
    extracted = hmac.digest(bytes(32), SECRETS[Purpose.CREDENTIALS], "sha256")
    assert signing == hmac.digest(extracted, b"assigntask app signing\x01", "sha256")
    assert KeyRing.open(None, ENVIRON).derived("app signing") == (signing,)
    assert ring.derived("call tokens") != (signing,)


def test_after_a_rotation_derived_keys_have_the_new_one_first_and_keep_the_old(folder: Path) -> None:
    ring = KeyRing.open(folder, {})
    (before,) = ring.derived("call tokens")
    ring.rotate(Purpose.CREDENTIALS)
    new, *retired = ring.derived("call tokens")
    assert new != before
    assert retired == [before]


def test_one_secret_has_another_id_for_each_purpose() -> None:
    same = base64.b64encode(bytes(32)).decode()
    ring = KeyRing.open(None, dict.fromkeys(ENVIRONMENT.values(), same))
    assert len({ring.ids(purpose) for purpose in Purpose}) == len(Purpose)


def test_nothing_secret_shows_in_a_key_ring(folder: Path) -> None:
    ring = KeyRing.open(folder, ENVIRON)
    shown = f"{ring!r} {ring} {vars(ring)} {ring.signing_key(ORIGIN)!r}"
    assert ring.ids(Purpose.LEDGER)[0] in shown
    for secret in SECRETS.values():
        for spelling in (secret.hex(), base64.b64encode(secret).decode(), repr(secret)):
            assert spelling not in shown
