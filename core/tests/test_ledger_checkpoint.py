"""Checkpoints and signed notes against the C2SP examples and the test key of Go's note package."""

import base64
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assigntask.ledger.checkpoint import (
    MAX_SIGNATURES,
    Checkpoint,
    SigningKey,
    Verifier,
    exact_base64,
    open_note,
    sign,
    sign_note,
    verify,
)
from assigntask.ledger.errors import LedgerError
from assigntask.ledger.tree import MAX_SIZE

# Published with Go's golang.org/x/mod/sumdb/note: a key pair and what it signs.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
NOTE = f"{TEXT}\n{PETER_LINE}"

# The examples of c2sp.org/tlog-checkpoint and c2sp.org/signed-note, whose keys are not published.
C2SP_CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
C2SP_NOTE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)

ORIGIN = "assigntask.example/harbour"
KEY = SigningKey.from_seed(ORIGIN, bytes(range(32)))
CHECKPOINT = Checkpoint(ORIGIN, 42, sha256(b"root").digest())


def code_of(error: pytest.ExceptionInfo[LedgerError]) -> str:
    return error.value.code


def test_the_published_key_signs_the_published_note() -> None:
    key = SigningKey.from_seed("PeterNeumann", PETER_SEED)
    assert str(key.verifier) == PETER
    assert key.verifier.key_id.hex() == "c74f20a3"
    assert sign_note(TEXT, key) == NOTE


def test_the_published_note_opens_as_text_and_as_bytes() -> None:
    verifier = Verifier.parse(PETER)
    for note in (NOTE, NOTE.encode()):
        opened = open_note(note, [verifier])
        assert opened.text == TEXT
        assert opened.signers == (verifier,)


def test_unknown_signatures_are_passed_over_and_each_known_one_counts_once() -> None:
    peter, enoch = Verifier.parse(PETER), Verifier.parse(ENOCH)
    note = NOTE + PETER_LINE + ENOCH_LINE
    assert open_note(note, [peter]).signers == (peter,)
    assert open_note(note, [enoch]).signers == (enoch,)
    assert open_note(note, [enoch, peter, peter]).signers == (peter, enoch)
    with pytest.raises(LedgerError) as error:
        open_note(note, [])
    assert code_of(error) == "note_unsigned"


def test_a_key_that_shares_only_the_name_or_only_the_id_is_unknown() -> None:
    peter = Verifier.parse(PETER)
    namesake = Verifier("PeterNeumann", Verifier.parse(ENOCH).public)
    with pytest.raises(LedgerError) as error:
        open_note(NOTE, [namesake])
    assert code_of(error) == "note_unsigned"
    with pytest.raises(LedgerError) as error:
        open_note(NOTE.replace("— PeterNeumann", "— PeterNeuman"), [peter])
    assert code_of(error) == "note_unsigned"


def test_a_wrong_signature_by_a_known_key_refuses_the_note_beside_a_right_one() -> None:
    damaged = PETER_LINE[:60] + "ABCD" + PETER_LINE[60:]
    with pytest.raises(LedgerError, match="Line 5") as error:
        open_note(NOTE + damaged, [Verifier.parse(PETER)])
    assert code_of(error) == "note_signature_wrong"


@pytest.mark.parametrize(
    ("note", "named"),
    [
        (TEXT, "an empty line"),
        (f"{TEXT}\n", "an empty line"),
        (NOTE[:-1], "ended by a newline"),
        (f"{NOTE}\n", "ended by a newline"),
        (f"\x01{NOTE}", "Line 1 holds the control character U\\+0001"),
        (NOTE.replace("\n", "\r\n"), "Line 1 holds the control character U\\+000D"),
        (b"\xff" + NOTE.encode(), "UTF-8"),
        (f"\ud800{NOTE}", "UTF-8"),
        (f"{TEXT}\n{PETER_LINE.replace('Neumann', ' Neumann')}", "Line 4"),
        (f"{TEXT}\n{PETER_LINE.replace('Peter', 'Peter+')}", "Line 4"),
        (f"{TEXT}\n{PETER_LINE.replace('— ', '-- ')}", "Line 4"),
        (f"{TEXT}\n{PETER_LINE.replace('nAM=', 'nAN=')}", "Line 4"),
        (f"{TEXT}\n— PeterNeumann x08gow==\n", "Line 4"),
        (f"{TEXT}\n— PeterNeumann\n", "Line 4"),
        (f"{NOTE}Unexpected line.\n", "Line 5"),
        (NOTE + PETER_LINE * MAX_SIGNATURES, "101 signatures"),
        ("x" * 2**20 + NOTE, "bytes"),
    ],
)
def test_a_malformed_note_is_refused_and_the_line_named(note: str | bytes, named: str) -> None:
    with pytest.raises(LedgerError, match=named) as error:
        open_note(note, [Verifier.parse(PETER)])
    assert code_of(error) == "note_malformed"


def test_every_part_and_every_mistyping_of_a_verifier_key_is_refused() -> None:
    broken = {PETER[i:j] for i in range(len(PETER)) for j in range(i, len(PETER) + 1)} - {PETER}
    broken |= {PETER[:i] + chr(ord(PETER[i]) + 1) + PETER[i + 1 :] for i in range(len(PETER))}
    broken |= {PETER.replace("c74f", "C74F"), PETER + "\n", PETER + "="}
    # Another length and another signature type, both with key ids that fit.
    broken |= {
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    }
    for text in broken:
        with pytest.raises(LedgerError) as error:
            Verifier.parse(text)
        assert code_of(error) in {"verifier_malformed", "key_name_wrong"}


@pytest.mark.parametrize("name", ["", "a b", "a\u2003b", "a+b", "a\nb", "a\x00b", "\ud800"])
def test_names_that_no_signature_line_can_carry_are_refused(name: str) -> None:
    with pytest.raises(LedgerError) as error:
        SigningKey.from_seed(name, bytes(32))
    assert code_of(error) == "key_name_wrong"


def test_two_keys_that_share_name_and_id_are_ambiguous() -> None:
    # Keys that really agree in these 4 bytes take hours to find; these claim to.
    class Colliding(Verifier):
        @property
        def key_id(self) -> bytes:
            return Verifier.parse(PETER).key_id

    peter, enoch = (Colliding("PeterNeumann", Verifier.parse(text).public) for text in (PETER, ENOCH))
    assert open_note(NOTE, [peter, peter]).signers == (peter,)
    with pytest.raises(LedgerError) as error:
        open_note(NOTE, [peter, enoch])
    assert code_of(error) == "verifier_ambiguous"


def test_the_c2sp_checkpoint_reads_as_its_parts_and_back() -> None:
    text = C2SP_CHECKPOINT.partition("\n\n")[0] + "\n"
    checkpoint = Checkpoint.parse(text)
    assert checkpoint.origin == "example.com/behind-the-sofa"
    assert checkpoint.size == 20852163
    assert base64.b64encode(checkpoint.root) == b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    assert checkpoint.text == text


@pytest.mark.parametrize("note", [C2SP_CHECKPOINT, C2SP_NOTE])
def test_the_c2sp_examples_are_well_formed_and_open_beside_a_known_signature(note: str) -> None:
    with pytest.raises(LedgerError) as error:
        open_note(note, [KEY.verifier])
    assert code_of(error) == "note_unsigned"
    text = note[: note.rindex("\n\n") + 1]
    ours = sign_note(text, KEY)
    both = note + ours[len(text) + 1 :]
    assert open_note(both, [KEY.verifier]).text == text


def test_a_signed_checkpoint_verifies_and_looks_as_specified() -> None:
    note = sign(CHECKPOINT, KEY)
    root = base64.b64encode(CHECKPOINT.root).decode()
    assert note.startswith(f"{ORIGIN}\n42\n{root}\n\n— {ORIGIN} ")
    assert verify(note, [KEY.verifier]) == CHECKPOINT
    data = base64.b64decode(note.rstrip("\n").rsplit(" ", 1)[1])
    hashed = ORIGIN.encode() + b"\n\x01" + KEY.verifier.public
    assert data[:4] == sha256(hashed).digest()[:4]
    assert len(data) == 4 + 64


@given(st.data())
@settings(deadline=None)
def test_any_changed_bit_of_a_checkpoint_is_found(data: st.DataObject) -> None:
    note = bytearray(sign(CHECKPOINT, KEY).encode())
    bit = data.draw(st.integers(0, len(note) * 8 - 1))
    note[bit // 8] ^= 1 << bit % 8
    with pytest.raises(LedgerError):
        verify(bytes(note), [KEY.verifier])


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="+"), min_size=1),
    st.integers(0, MAX_SIZE),
    st.binary(min_size=32, max_size=32),
)
@settings(deadline=None)
def test_any_checkpoint_survives_signing_and_verifying(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    key = SigningKey.from_seed(origin, bytes(range(32)))
    assert verify(sign(checkpoint, key), [Verifier.parse(str(key.verifier))]) == checkpoint


@given(st.text(), st.text())
@settings(deadline=None)
def test_no_text_whatever_raises_anything_but_a_coded_error(head: str, tail: str) -> None:
    for text in (head, f"{head}\n\n— {tail}\n", f"{NOTE}{head}", head + NOTE):
        try:
            verify(text, [Verifier.parse(PETER)])
        except LedgerError as error:
            assert error.code.replace("_", "").isalpha()
        else:
            pytest.fail("only a checkpoint verifies")


def test_a_checkpoint_of_another_organisation_is_refused_under_the_same_key() -> None:
    other = SigningKey.from_seed("assigntask.example/meadow", bytes(range(32)))
    relabelled = sign_note(CHECKPOINT.text, other)
    with pytest.raises(LedgerError, match="same organisation") as error:
        verify(relabelled, [other.verifier])
    assert code_of(error) == "checkpoint_origin_wrong"
    with pytest.raises(LedgerError) as error:
        sign(CHECKPOINT, other)
    assert code_of(error) == "checkpoint_origin_wrong"


def test_a_witness_may_sign_too_but_does_not_stand_for_the_log() -> None:
    witness = SigningKey.from_seed("witness.example", bytes(32))
    by_witness = sign_note(CHECKPOINT.text, witness)
    both = sign(CHECKPOINT, KEY) + by_witness[len(CHECKPOINT.text) + 1 :]
    assert verify(both, [KEY.verifier, witness.verifier]) == CHECKPOINT
    with pytest.raises(LedgerError) as error:
        verify(by_witness, [KEY.verifier, witness.verifier])
    assert code_of(error) == "checkpoint_origin_wrong"


def test_a_retired_key_still_verifies() -> None:
    fresh = SigningKey.from_seed(ORIGIN, bytes(32))
    assert verify(sign(CHECKPOINT, KEY), [fresh.verifier, KEY.verifier]) == CHECKPOINT


def test_extension_lines_of_other_logs_are_kept() -> None:
    extended = replace(CHECKPOINT, extensions=("one", "two words"))
    assert verify(sign(extended, KEY), [KEY.verifier]) == extended


ROOT = base64.b64encode(CHECKPOINT.root).decode()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "three lines"),
        ("o\n1\n", "three lines"),
        (f"o\n1\n{ROOT}", "three lines"),
        (f"\n1\n{ROOT}\n", "Line 1"),
        (f"o\n01\n{ROOT}\n", "Line 2"),
        (f"o\n+1\n{ROOT}\n", "Line 2"),
        (f"o\n-1\n{ROOT}\n", "Line 2"),
        (f"o\n1 \n{ROOT}\n", "Line 2"),
        (f"o\n١\n{ROOT}\n", "Line 2"),
        (f"o\n{MAX_SIZE + 1}\n{ROOT}\n", "Line 2"),
        (f"o\n{'9' * 5000}\n{ROOT}\n", "Line 2"),
        ("o\n1\nAAAA\n", "Line 3"),
        (f"o\n1\n{ROOT[:-1]}\n", "Line 3"),
        (f"o\n1\n {ROOT}\n", "Line 3"),
        (f"o\n1\n{ROOT}\n\n", "Line 4"),
        (f"o\n1\n{ROOT}\nmore\n\nyet more\n", "Line 5"),
    ],
)
def test_a_malformed_checkpoint_is_refused_and_the_line_named(text: str, named: str) -> None:
    with pytest.raises(LedgerError, match=named) as error:
        Checkpoint.parse(text)
    assert code_of(error) == "checkpoint_malformed"


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": ""},
        {"origin": "two\nlines"},
        {"origin": "a\ud800"},
        {"extensions": ("",)},
        {"extensions": ("a\nb",)},
        {"size": -1},
        {"size": MAX_SIZE + 1},
        {"root": b""},
        {"root": bytes(33)},
    ],
)
def test_a_checkpoint_that_could_not_be_read_back_can_t_be_made(changes: dict[str, object]) -> None:
    values: dict[str, object] = {"origin": ORIGIN, "size": 1, "root": bytes(32), "extensions": ()}
    with pytest.raises(LedgerError) as error:
        Checkpoint(**{**values, **changes})  # type: ignore[arg-type]
    assert code_of(error) == "checkpoint_malformed"


@pytest.mark.parametrize("text", ["no newline", "", "tab\tbed\n", "half a pair \ud800\n"])
def test_text_that_no_note_can_carry_is_not_signed(text: str) -> None:
    with pytest.raises(LedgerError) as error:
        sign_note(text, KEY)
    assert code_of(error) == "note_malformed"


def test_only_one_spelling_of_base64_is_read() -> None:
    assert exact_base64("AAE=") == b"\x00\x01"
    for text in ("AAF=", "AAE", "AA E=", "AAE=\n", "AAE==", "AA-_", "ÀAE="):
        assert exact_base64(text) is None


def test_a_signing_key_shows_its_public_half_only() -> None:
    shown = repr(KEY)
    assert ORIGIN in shown
    for secret in (bytes(range(32)).hex(), base64.b64encode(bytes(range(32))).decode(), "\\x1f"):
        assert secret not in shown


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(LedgerError) as error:
        SigningKey.from_seed(ORIGIN, bytes(length))
    assert code_of(error) == "key_malformed"
    with pytest.raises(LedgerError) as error:
        Verifier(ORIGIN, bytes(length))
    assert code_of(error) == "verifier_malformed"
