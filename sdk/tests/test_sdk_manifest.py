"""The manifest: what is taken, what is refused and in which words."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from assigntask_sdk.details import DETAILS, SCOPES, STREAMED
from assigntask_sdk.hooks import Hooks
from assigntask_sdk.manifest import Manifest, ManifestError, Setting, json_schema, load, parse
from assigntask_sdk.manifest.lines import key_lines


def refusal(text: str) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        parse(text)
    return caught.value


def test_a_whole_manifest_is_read(manifest_text: str) -> None:
    manifest = parse(
        manifest_text
        + """
task_saving = ["task.type", "task.due", "task.due"]
[scopes.optional]
"tasks:guard" = "to refuse tasks without a date"
[contacts]
installer = ["person.email"]
[settings.tone]
type = "choice"
label = "Tone"
default = "kind"
choices = ["kind", "strict"]
"""
    )
    assert manifest.details_wanted("task_saving") == {"task.due", "task.type"}
    assert manifest.details_wanted("report") == frozenset()
    assert manifest.requested == {"tasks:read", "tasks:guard"}
    assert manifest.powers == {"tasks:guard"}
    assert manifest.contacts["installer"] == ("person.email",)
    assert (manifest.module, manifest.retention_days, manifest.on_failure) == ("hooks", 30, "allow")


# Each: what is replaced in the good manifest, by what; code, line and key of the one problem; words in its message.
REFUSED = [
    ("sdk = 1", "sdk = 2", "manifest_value", 1, "sdk", "write 1"),
    ('id = "due-guard"', 'id = "Due Guard"', "manifest_value", 2, "id", '"due-guard"'),
    ('"1.0.0"', '"1.0"', "manifest_value", 4, "version", '"1.2.0"'),
    ('"1.0.0"', '"01.0.0"', "manifest_value", 4, "version", "three numbers"),
    ('"1.0.0"', "1", "manifest_value", 4, "version", "three numbers"),
    ('"1.0.0"', '"1.0.0"\nretention_days = -1', "manifest_value", 5, "retention_days", "0 (wiped at once) to 3650"),
    ('"1.0.0"', '"1.0.0"\nretention_days = true', "manifest_value", 5, "retention_days", "whole number"),
    ('"1.0.0"', '"1.0.0"\negress = ["https://x.example/"]', "manifest_value", 5, "egress", "without scheme"),
    ('"1.0.0"', '"1.0.0"\negress = ["10.0.0.1"]', "manifest_value", 5, "egress", "host names"),
    ('"1.0.0"', '"1.0.0"\non_failure = "ask"', "manifest_value", 5, "on_failure", '"refuse"'),
    ('"1.0.0"', '"1.0.0"\nmodule = "../hooks"', "manifest_value", 5, "module", "inside your package"),
    ('"1.0.0"', '"1.0.0"\nretention = 3', "manifest_unknown_key", 5, "retention", '"retention_days"'),
    ('"1.0.0"', '"1.0.0"\npages = ["x"]', "manifest_not_yet", 5, "pages", "arrives in a later SDK"),
    ('version = "1.0.0"\n', "", "manifest_missing", None, "version", 'version = "1.0.0"'),
    ('name = "Vendor"\n', "", "manifest_missing", 6, "vendor.name", 'name = "…"'),
    ('"An app"', '"An\\u202eapp"', "manifest_value", 3, "name", "text in one line"),
    ('"NZ"', '"UK"', "manifest_value", 10, "vendor.country", '"GB"'),
    ('"help@vendor.example"', '"help"', "manifest_value", 8, "vendor.contact", "e-mail"),
    ('"https://vendor', '"http://vendor', "manifest_value", 9, "vendor.privacy", "https"),
    ('"to show what is due"', '"  "', "manifest_value", 13, "scopes.required.tasks:read", "the reason why"),
    ('"to show what is due"', "1", "manifest_value", 13, "scopes.required.tasks:read", "the reason why"),
    ('"task.due"]', '"task.deu"]', "manifest_unknown_detail", 16, "hooks.task_badges", 'write "task.due"'),
    ('"task.due"]', '"comment.text"]', "manifest_unknown_detail", 16, "hooks.task_badges", "doesn't carry comment"),
    ('"task.due"]', '"task.assignees"]', "manifest_scope_missing", 16, "hooks.task_badges", "the scope tasks:people"),
    ('["task.due"]', '"task.due"', "manifest_value", 16, "hooks.task_badges", "a list of details"),
    ("task_badges", "task_badge", "manifest_unknown_hook", 16, "hooks.task_badge", 'write "task_badges"'),
    ("task_badges", "sync", "manifest_not_yet", 16, "hooks.sync", "arrives in a later SDK"),
    ('task_badges = ["task.due"]', "scheduled = []", "manifest_missing", 16, "hooks.scheduled", "under [schedule]"),
    ("task_badges", "task_saving", "manifest_scope_missing", 16, "hooks.task_saving", "tasks:guard under [scopes]"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "code", "line", "key", "words"), REFUSED)
def test_a_problem_names_code_line_key_and_what_to_write(
    manifest_text: str, good: str, bad: str, code: str, line: int | None, key: str, words: str
) -> None:
    assert good in manifest_text
    error = refusal(manifest_text.replace(good, bad, 1))
    assert [(p.code, p.line, p.key) for p in error.problems] == [(code, line, key)]
    assert words in error.message
    place = "app.toml" if line is None else f"app.toml:{line}"
    assert str(error).startswith(f"{place}: {key}: ")


APPENDED = [
    ('[scopes.optional]\n"tasks:reed" = "x"', "manifest_unknown_scope", "scopes.optional.tasks:reed", '"tasks:read"'),
    ('[scopes.optional]\n"tasks:read" = "x"', "manifest_value", "scopes.optional.tasks:read", "required and optional"),
    ('[scopes.optional]\n"notices:send" = "x"', "manifest_not_yet", "scopes.optional.notices:send", "later SDK"),
    ("[contacts]\nboss = []", "manifest_unknown_key", "contacts.boss", "installer"),
    ('[contacts]\nbilling = ["task.due"]', "manifest_value", "contacts.billing", "not task.due"),
    ('[contacts]\nbilling = ["person.mail"]', "manifest_unknown_detail", "contacts.billing", '"person.email"'),
    ("[settings]\nA = {type='check', label='A', default=true}", "manifest_value", "settings.A", "small letters"),
    ("[settings]\na = {type='check', label='A', default='x'}", "manifest_value", "settings.a.default", "true or false"),
    ("[settings]\na = {type='number', label='A', default=nan}", "manifest_value", "settings.a.default", "a number"),
    ("[settings]\na = {type='number', label='A', default=true}", "manifest_value", "settings.a.default", "a number"),
    ("[settings]\na = {type='number', label='A', default=[1]}", "manifest_value", "settings.a.default", "as the type"),
    ("[settings]\na = {type='choice', label='A', default='x'}", "manifest_missing", "settings.a.choices", "choices ="),
    (
        "[settings]\na = {type='choice', label='A', default='x', choices=['y']}",
        "manifest_value", "settings.a.default", 'one of "y"',
    ),
    (
        "[settings]\na = {type='text', label='A', default='x', choices=['y']}",
        "manifest_value", "settings.a.choices", 'type = "choice"',
    ),
    ("[person_settings]\na = {type='text', default='x'}", "manifest_missing", "person_settings.a.label", "label ="),
    ("[oauth]\nredirect_uri = []", "manifest_unknown_key", "oauth.redirect_uri", '"redirect_uris"'),
    ("[oauth]\nauth_method = 'basic'", "manifest_value", "oauth.auth_method", '"client_secret_basic"'),
    ("[oauth]\nauth_method = 'private_key_jwt'", "manifest_missing", "oauth.jwks_uri", "jwks_uri ="),
    ("[oauth]\njwks_uri = 'https://a.example/k'", "manifest_value", "oauth.jwks_uri", "private_key_jwt"),
    ("[oauth]\nclient_metadata = 'http://a.example/c'", "manifest_value", "oauth.client_metadata", "https"),
    ("[oauth]\nclient_metadata = 'https://a.example/'", "manifest_value", "oauth.client_metadata", "has a path"),
    ("[oauth]\nclient_metadata = 'https://a.example/c?d'", "manifest_value", "oauth.client_metadata", "no query"),
    ("[oauth]\nclient_metadata = 'https://a.example/../c'", "manifest_value", "oauth.client_metadata", ". or .."),
    ("[accounts.google]\nscopes = []", "manifest_not_yet", "accounts", "later SDK"),
]  # fmt: skip


@pytest.mark.parametrize(("addition", "code", "key", "words"), APPENDED)
def test_a_table_that_is_added_is_checked_too(
    manifest_text: str, addition: str, code: str, key: str, words: str
) -> None:
    error = refusal(f"{manifest_text}\n{addition}\n")
    assert [(p.code, p.key) for p in error.problems] == [(code, key)]
    assert words in error.message
    first_line = manifest_text.count("\n") + 2
    assert error.line in (first_line, first_line + 1)


@pytest.mark.parametrize(
    "uri",
    [
        "https://a.example/back",
        "https://a.example:8443/back?x=1",
        "http://127.0.0.1/back",
        "http://127.0.0.1:9000/back",
        "http://[::1]/back",
    ],
)
def test_a_redirect_uri_of_these_kinds_is_taken(manifest_text: str, uri: str) -> None:
    oauth = parse(f"{manifest_text}\n[oauth]\nredirect_uris = ['{uri}']\n").oauth
    assert oauth is not None
    assert (oauth.redirect_uris, oauth.auth_method) == ((uri,), "client_secret_basic")


@pytest.mark.parametrize(
    "uri",
    [
        "http://a.example/back",
        "http://localhost/back",
        "https://user@a.example/back",
        "https://a.example/back#x",
        "http://127.0.0.1.a.example/back",
        "javascript:alert(1)",
        "com.example.app:/back",
        "https://a.example/b ack",
        "https://a.example\\\\@b.example/",
        "/back",
        "",
    ],
)
def test_any_other_redirect_uri_is_refused(manifest_text: str, uri: str) -> None:
    error = refusal(f'{manifest_text}\n[oauth]\nredirect_uris = ["{uri}"]\n')
    assert [(problem.code, problem.key) for problem in error.problems] == [("manifest_value", "oauth.redirect_uris")]


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(manifest_text: str) -> None:
    bad = manifest_text.replace("1.0.0", "1").replace("NZ", "nz").replace("task.due", "task.deu")
    error = refusal(bad)
    assert [problem.line for problem in error.problems] == [4, 10, 16]
    assert str(error).count("\n") == 2


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('sdk = 1\nid = "x', 2, "is not TOML"),
        ("sdk = 1\nsdk = 1", 2, "is not TOML"),
        ("a = [1,\n2", 2, "not closed"),
        ("a = " + "[" * 5000 + "]" * 5000, None, "nested too deeply"),
        ("a = " + "[" * 40 + "]" * 40, None, "nested too deeply"),
        ("x = 1\n" + "a." * 30_000 + "b = 1", 2, "nested too deeply"),
        ("[" + "a." * 30_000 + "b]", 1, "nested too deeply"),
        ("a = 1" + "0" * 5000, None, "out of range"),
        ("#" * 70_000, None, "at most 65536 bytes"),
    ],
)
def test_what_is_not_toml_is_a_syntax_problem_with_its_line(text: str, line: int | None, words: str) -> None:
    error = refusal(text)
    assert (error.code, error.line) == ("manifest_syntax", line)
    assert words in error.message


def test_a_file_that_is_missing_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as missing:
        load(tmp_path / "app.toml")
    assert missing.value.code == "manifest_missing"
    (tmp_path / "app.toml").write_bytes(b'sdk = 1\nname = "\xff"')
    with pytest.raises(ManifestError) as binary:
        load(tmp_path / "app.toml")
    assert (binary.value.code, binary.value.line) == ("manifest_syntax", 2)


def test_a_key_cannot_forge_lines_of_the_terminal() -> None:
    error = refusal('"a\\u001b[31m\\nb" = 1')
    assert all(problem.key is None or problem.key.isprintable() for problem in error.problems)
    assert "\\u001b" in str(error)


def test_problems_are_bounded_and_found_quickly() -> None:
    error = refusal("[scopes.required]\n" + "\n".join(f'"task{i}" = ""' for i in range(3000)))
    assert len(error.problems) == 100


def test_an_error_survives_pickling() -> None:
    error = refusal("sdk = 3")
    assert pickle.loads(pickle.dumps(error)).problems == error.problems  # noqa: S301


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\n[b]\nc = 2", ("b", "c"), 3),
        ("[b.c]\nd.e = 2", ("b", "c", "d", "e"), 2),
        ("a = {b = {c = 1, d = [1, {x = 1}]}, e = 2}", ("a", "e"), 1),
        ('a = """\n[x]\nb = 1\n"""\nb = 2', ("b",), 5),
        ("a = '''\n'' ]'''\nb = 2", ("b",), 3),
        ('a = [\n  "x]", # ]\n  2,\n]\nb = 1', ("b",), 5),
        ('"a.b" = 1\n\'c"d\' = 2', ('c"d',), 2),
        ('"\\u0061" = 1', ("a",), 1),
        ("a = 1\r\nb = 2020-01-01 10:00:00\r\nc = 1.5", ("c",), 3),
        ("[[a]]\nb = 1\n[[a]]\nc = {}\nd = 1", ("a", "d"), 5),
    ],
)
def test_lines_of_keys_are_found(text: str, path: tuple[str, ...], line: int) -> None:
    assert key_lines(text)[path] == line


def test_the_digest_is_of_the_meaning_not_of_the_writing(manifest_text: str) -> None:
    manifest = parse(manifest_text)
    same = parse("# a note\n" + manifest_text.replace('["task.due"]', '[ "task.due", "task.due" ]'))
    defaults = parse(manifest_text.replace("sdk = 1", 'sdk = 1\nretention_days = 30\nmodule = "hooks"'))
    other = parse(manifest_text.replace("to show", "to see"))
    assert manifest.digest == same.digest == defaults.digest != other.digest
    assert manifest.digest.startswith("sha256:") and len(manifest.digest) == 71


def test_a_manifest_survives_json(manifest_text: str) -> None:
    manifest = parse(manifest_text)
    assert Manifest.model_validate_json(manifest.model_dump_json()).digest == manifest.digest


def test_settings_are_filled_and_what_no_longer_fits_is_left_out(manifest_text: str) -> None:
    manifest = parse(
        f"{manifest_text}\n[settings]\ndays = {{type='number', label='Days', default=3}}\n"
        "tone = {type='choice', label='Tone', default='kind', choices=['kind', 'strict']}\n"
        "[person_settings]\nquiet = {type='check', label='Quiet', default=false}\n"
    )
    assert manifest.settings_with({}) == {"days": 3, "tone": "kind"}
    assert manifest.settings_with({"days": 5, "tone": "rude", "gone": 1}) == {"days": 5, "tone": "kind"}
    assert manifest.person_settings_with({"quiet": True}) == {"quiet": True}
    assert manifest.person_settings_with({"quiet": "yes"}) == {"quiet": False}


def test_a_setting_says_why_a_value_does_not_fit() -> None:
    text = Setting(type="text", label="Words", default="")
    assert text.why_not("fine") is None
    assert text.why_not("x" * 2001) == "give at most 2000 characters"
    assert text.why_not(3) == "give text"


def test_the_published_schema_is_the_one_that_the_code_makes() -> None:
    published = Path(__file__).parents[2] / "docs" / "app-manifest.schema.json"
    assert json.loads(published.read_text("utf-8")) == json_schema(), "run: assigntask-sdk schema > that file"


def test_the_schema_names_every_hook_scope_and_detail() -> None:
    schema = json_schema()
    assert set(schema["properties"]["hooks"]["properties"]) == set(Hooks.all)
    assert set(schema["$defs"]["Scopes"]["properties"]["required"]["properties"]) == set(SCOPES)
    task_panel = schema["properties"]["hooks"]["properties"]["task_panel"]["items"]["enum"]
    records = Hooks.all["task_panel"].records
    assert set(task_panel) == {name for name, detail in DETAILS.items() if detail.record in records} - STREAMED
