"""Files and jobs in the contract: what a manifest may say of them, what a job is asked, which error is raised."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import TypeAdapter

from assigntask_sdk import FileTooLarge, Invalid, More
from assigntask_sdk.errors import error_from_json
from assigntask_sdk.hooks import Hooks, JobAsk
from assigntask_sdk.manifest import ManifestError, parse

EXTRA = '"attachments:content" = "to read files"\n"attachments:read" = "to name them"\n'


def manifest(text: str, hook: str) -> str:
    """The manifest with more scopes, and one more hook."""
    scopes = '"tasks:read" = "to show what is due"\n'
    assert scopes in text
    return f"{text.replace(scopes, scopes + EXTRA)}{hook}\n"


def test_a_manifest_has_a_hook_for_jobs_that_carries_no_details(manifest_text: str) -> None:
    assert "job" in parse(manifest(manifest_text, "job = []")).hooks
    with pytest.raises(ManifestError, match="no details"):
        parse(manifest(manifest_text, 'job = ["attachment.name"]'))


def test_what_is_in_a_file_is_named_by_no_hook(manifest_text: str) -> None:
    parse(manifest(manifest_text, 'task_panel = ["attachment.size"]'))
    with pytest.raises(ManifestError, match=r"ctx\.attachments\.content"):
        parse(manifest(manifest_text, 'task_panel = ["attachment.content"]'))


def test_what_a_job_is_asked_survives_json() -> None:
    ask = JobAsk(id="j", at=dt.datetime(2026, 3, 2, tzinfo=dt.UTC), name="import", args={"from": ["ü", 1, None]})
    adapter = TypeAdapter(JobAsk)
    assert adapter.validate_json(adapter.dump_json(ask)) == ask
    spec = Hooks.all["job"]
    assert (spec.notice, spec.limit, spec.records) == (True, 60, frozenset())
    assert spec.answer.validate_json(spec.answer.dump_json(More())) == More()


def test_a_file_that_is_too_large_is_told_by_its_limit_on_the_other_side_too() -> None:
    error = error_from_json(FileTooLarge(1000).to_json())
    assert isinstance(error, FileTooLarge)
    assert isinstance(error, Invalid)
    assert (error.code, error.limit) == ("file_too_large", 1000)
    assert "attach a link" in error.fields["content"]
