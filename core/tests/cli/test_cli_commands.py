"""Every command does its work, says so to people, and gives programs one JSON document and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

ADMIN, MEMBER = "ada@example.org", "ben@example.org"
AS = ("--as", ADMIN)


def test_people_are_listed_added_and_changed(house: Any) -> None:
    added = house.json(
        "people", "add", "Cem@Example.org", "--user-name", "cem", "--job-title", "Diver", "--role", "admin"
    )
    assert added["name"] == "Cem"
    assert added["role"] == "admin"
    assert house.json("people", "role", "cem@example.ORG", "member")["role"] == "member"
    assert house.json("people", "department", "cem", "Docks")["department"] == "Docks"
    assert house.json("people", "department", added["id"], "--none")["department"] is None
    assert house.json("people", "email", "cem", "cem@harbour.example")["email"] == "cem@harbour.example"
    assert house.json("people", "contact", "cem", "technical")["person"]["id"] == added["id"]
    listed = {person["email"]: person for person in house.json("people", "list")}
    assert listed["cem@harbour.example"]["contact_for"] == ["technical"]
    assert listed[ADMIN]["role"] == "admin"
    assert len(listed) == 4  # those who came with the board have no address


def test_people_commands_speak_to_people(quick_house: Any) -> None:
    house = quick_house
    assert "Cem was added to Harbour & Sons." in house.text("people", "add", "cem", "--name", "Cem")
    assert "Cem is an admin." in house.text("people", "role", "cem", "admin")
    assert "Cem works in Docks." in house.text("people", "department", "cem", "Docks")
    assert "Cem is the billing contact." in house.text("people", "contact", "cem", "billing")
    assert "Nobody is the billing contact." in house.text("people", "contact", "cem", "billing", "--remove")
    assert "ada@example.org" in house.text("people", "list")
    assert "No app had been given anything about them." in house.text("people", "forget", "cem", "--yes")


def test_a_link_that_signs_in_is_made_for_whoever_is_here(quick_house: Any) -> None:
    house = quick_house
    made = house.json("people", "sign-in-link", MEMBER)
    assert made["link"].startswith("http://127.0.0.1:8000/sign-in?link=sl_")
    assert made["person"] in {person["id"] for person in house.json("people", "list")}
    shown = house.text("people", "sign-in-link", MEMBER)
    assert shown.splitlines()[1].startswith("http://127.0.0.1:8000/sign-in?link=sl_")
    assert len(shown.splitlines()) == 2
    house.json("people", "forget", MEMBER, "--yes")
    house.fails("people", "sign-in-link", made["person"], code="person_inactive")


def test_tasks_are_added_edited_commented_and_shown(house: Any) -> None:
    task = house.json("tasks", "add", "Paint the crane", "--due", "2026-06-01", "--assign", MEMBER, *AS)
    assert (task["summary"], task["due"], task["creator"]["email"]) == (
        "Paint the crane",
        {"day": "2026-06-01", "at": None},
        ADMIN,
    )
    number = str(task["number"])
    edited = house.json(
        "tasks", "edit", f"#{number}", "--status", "done", "--no-due", "--assign", ADMIN, "--unassign", MEMBER,
        "--label", "Safety",
    )  # fmt: skip
    assert edited["status"] == "Done"
    assert edited["done"] is not None
    assert edited["due"] is None
    assert [person["email"] for person in edited["assignees"]] == [ADMIN]
    assert edited["labels"] == ["Safety"]
    comment = house.json("tasks", "comment", number, "Two coats, @inesokafor", "--as", MEMBER)
    assert comment["author"]["email"] == MEMBER
    shown = house.json("tasks", "show", task["id"])
    assert [each["text"] for each in shown["comments"]] == ["Two coats, @Ines Okafor"]
    archived = house.json("tasks", "edit", number, "--archive", "--unlabel", "safety")
    assert (archived["archived"], archived["labels"]) == (True, [])
    assert task["id"] not in {each["id"] for each in house.json("tasks", "list")}
    assert task["id"] in {each["id"] for each in house.json("tasks", "list", "--all")}


def test_tasks_commands_speak_to_people(quick_house: Any) -> None:
    house = quick_house
    assert "Task #36 was added." in house.text("tasks", "add", "Paint the crane")
    assert "Task #36 was changed." in house.text("tasks", "edit", "36", "--summary", "Paint the big crane")
    assert "nothing differs" in house.text("tasks", "edit", "36", "--summary", "Paint the big crane")
    assert "The comment was added to #36." in house.text("tasks", "comment", "36", "Done soon")
    assert "Done soon" in house.text("tasks", "show", "36")
    assert "Paint the big crane" in house.text("tasks", "list")


def test_a_list_of_tasks_is_filtered_by_project_status_and_assignee(house: Any) -> None:
    everything = house.json("tasks", "list")
    project = everything[0]["project"]
    assert len(house.json("tasks", "list", "--project", project.upper())) == len(everything)
    done = house.json("tasks", "list", "--status", "done")
    assert 0 < len(done) < len(everything)
    assert {task["status"] for task in done} == {"Done"}
    hers = house.json("tasks", "list", "--assignee", "inesokafor")
    assert hers
    assert all("inesokafor" in [person["user_name"] for person in task["assignees"]] for task in hers)


def test_apps_go_through_their_whole_life(house: Any) -> None:
    assert [(app["id"], app["state"]) for app in house.json("apps", "list") if app["id"] == "reporting"] == [
        ("reporting", None)
    ]
    assert house.json("apps", "request", "reporting", "--as", MEMBER)["state"] == "requested"
    assert house.json("apps", "decline", "reporting", *AS)["state"] == "declined"
    installed = house.json("apps", "install", "reporting", *AS, "--without", "tasks:people")
    assert (installed["state"], installed["declined"]) == ("active", ["tasks:people"])
    assert house.json("apps", "disable", "reporting", *AS)["state"] == "disabled"
    assert house.json("apps", "enable", "reporting", *AS)["state"] == "active"
    uninstalled = house.json("apps", "uninstall", "reporting", *AS)
    assert uninstalled["state"] == "uninstalled"
    assert uninstalled["wipe_at"] is not None
    restored = house.json("apps", "restore", "reporting", *AS)
    assert (restored["state"], restored["declined"]) == ("disabled", ["tasks:people"])
    assert house.json("apps", "show", "reporting")["installation"]["state"] == "disabled"
    error = house.fails("apps", "upgrade", "reporting", *AS, code="nothing_to_upgrade")
    assert error["app"] == "reporting"


def test_apps_commands_speak_to_people(quick_house: Any) -> None:
    house = quick_house
    assert "was requested" in house.text("apps", "request", "reporting", "--as", MEMBER)
    assert "reporting  Reporting" in house.text("apps", "list")
    dry = house.text("apps", "install", "reporting", *AS, "--dry-run")
    assert "person.email ada@example.org" in dry
    assert "nothing was changed" in dry
    assert "reporting 1.0.0 is installed." in house.text("apps", "install", "reporting", *AS)
    shown = house.text("apps", "show", "reporting")
    assert "people's e-mail addresses" in shown
    assert "Granted, and nothing of it was ever released" in shown
    assert "is disabled" in house.text("apps", "disable", "reporting", *AS)
    assert "is active" in house.text("apps", "enable", "reporting", *AS)
    assert "was uninstalled" in house.text("apps", "uninstall", "reporting", *AS)
    assert "was restored" in house.text("apps", "restore", "reporting", *AS)


def test_settings_and_policy_are_shown_and_changed(quick_house: Any) -> None:
    house = quick_house
    house.json("apps", "install", "reporting", *AS)
    assert house.json("apps", "settings", "reporting", *AS)["weeks"] == 8
    assert house.json("apps", "settings", "reporting", "weeks=12", *AS)["weeks"] == 12
    assert house.json("apps", "settings", "reporting", "--reset", "weeks", *AS)["weeks"] == 8
    assert "weeks" in house.text("apps", "settings", "reporting", *AS)
    assert house.json("apps", "policy") == {"members_may_install": "request"}
    assert house.json("apps", "policy", "self") == {"members_may_install": "self"}
    assert "self" in house.text("apps", "policy")


def test_a_report_comes_as_tables_json_and_csv(house: Any) -> None:
    house.json("apps", "install", "reporting", *AS)
    span = ("--since", "2026-01-05", "--until", "2026-03-01")
    report = house.json("apps", "report", "reporting", *AS, *span)
    assert (report["since"], report["until"]) == ("2026-01-05", "2026-03-01")
    assert "Ines Okafor" in report["names"].values()
    text = house.text("apps", "report", "reporting", *AS, *span)
    assert "Tasks created and done per week" in text
    assert "Ines Okafor" in text
    lines = house("apps", "report", "reporting", *AS, *span, "--csv").out.splitlines()
    assert "Week,From,Created,Done" in lines
    assert "Assigned to,Created,Done" in lines
    released = [entry for entry in house.json("ledger", "show", "--app", "reporting") if entry["channel"] == "api"]
    assert released


def test_objecting_and_restricting_hold_and_can_be_taken_back(house: Any) -> None:
    house.json("apps", "install", "reporting", *AS)
    asked = ("why", "reporting", ADMIN, "person.email")
    assert house.json(*asked)["rule"] == "contact"
    assert house.json("object", "reporting", *AS) == {
        "app": "reporting",
        "person": house.json(*asked)["person"],
        "objects": True,
        "changed": True,
    }
    assert house.json(*asked) == house.json(*asked) | {"shared": False, "rule": "objection"}
    assert house.json("object", "reporting", *AS)["changed"] is False
    assert "objected to Reporting" in house.text(*asked)
    assert house.json("object", "reporting", *AS, "--withdraw")["changed"] is True
    assert house.json("restrict", MEMBER, "--as", MEMBER)["restricted"] is True
    assert house.json("why", "reporting", MEMBER, "task.assignees")["rule"] == "restricted"
    assert "Apps may be told about Ben again." in house.text("restrict", MEMBER, "--as", MEMBER, "--lift")
    assert "No app is told anything about Ben." in house.text("restrict", MEMBER, *AS)
    assert "reporting is given nothing more" in house.text("object", "reporting", *AS)


def test_the_ledger_is_shown_verified_and_signed(house: Any) -> None:
    house.json("apps", "install", "reporting", *AS)
    entries = house.json("ledger", "show", "--person", ADMIN)
    told = next(entry for entry in entries if "person.email" in entry["details"])
    assert (told["app"], told["channel"]) == ("reporting", "install")
    assert house.json("ledger", "show", "--limit", "1")[0]["index"] == house.json("ledger", "show")[-1]["index"]
    assert "person.email" in house.text("ledger", "show")
    head = house.json("ledger", "checkpoint")
    assert (head["size"], head["note"].split("\n")[2]) == (len(house.json("ledger", "show")), head["root"])
    assert house.json("ledger", "verify")["ok"] is True
    assert "All of it is as it was signed." in house.text("ledger", "verify")
    printed = house.text("ledger", "checkpoint")
    kept = house.folder / "checkpoint.txt"
    kept.write_text(printed)
    for since in (printed, str(kept), head["note"], json.dumps(head)):
        assert house.json("ledger", "verify", "--since", since)["ok"] is True
    assert house.json("ledger", "verify", "--since", "-", stdin=printed)["ok"] is True


def test_upkeep_is_done_and_reported(house: Any) -> None:
    swept = house.json("sweep")
    assert {"wiped", "forgotten", "sealed", "delivered", "upgrades"} <= swept.keys()
    assert "wiped" in house.text("sweep")
    before = {each["purpose"]: each["ids"] for each in house.json("keys", "list")}
    assert before.keys() == {"credentials", "ledger", "pairwise", "subjects"}
    made = house.json("keys", "rotate", "ledger")
    assert made["ids"] == [made["id"], *before["ledger"]]
    assert made["id"] in house.text("keys", "list")
    assert house.json("ledger", "verify")["ok"] is True  # what the retired key signed still counts
    assert "is the current subjects key" in house.text("keys", "rotate", "subjects")


def test_forgetting_names_those_who_had_been_told(house: Any) -> None:
    house.json("people", "role", MEMBER, "admin")
    house.json("apps", "install", "reporting", "--as", MEMBER)
    forgotten = house.json("people", "forget", MEMBER, "--yes")
    assert [each["app"] for each in forgotten["recipients"]] == ["reporting"]
    [asked] = house.json("people", "erasures", forgotten["person"])
    assert (asked["app"], asked["person"], asked["state"]) == ("reporting", forgotten["person"], "answered")
    house.json("apps", "uninstall", "reporting", "--as", ADMIN)
    shown = house.text("people", "erasures", "--app", "reporting")
    assert "all that it was given" in shown and "reporting: the app has no hook for it: turn to its vendor." in shown
    assert "No app was asked" in house.text("people", "erasures", ADMIN)
    assert "erasure answered" in house.text("ledger", "show", "--app", "reporting")
    assert MEMBER not in {person["email"] for person in house.json("people", "list", "--all")}
    assert house.json("ledger", "verify")["ok"] is True


@pytest.mark.parametrize("where", [0, 1, 2])
def test_common_options_may_stand_before_or_behind_the_command(quick_house: Any, where: int) -> None:
    words = ["people", "list"]
    words[where:where] = ["--json", "--database", quick_house.url]
    result = quick_house(*words)
    assert result.status == 0
    assert {person["email"] for person in result.json} >= {ADMIN, MEMBER}
