"""Projects at the terminal: made, changed, archived, and named by what people call them."""

from __future__ import annotations

from typing import Any


def test_projects_are_listed_made_changed_and_archived(house: Any) -> None:
    made = house.json("projects", "add", "Dry dock", "--description", "Gate and pumps")
    assert [status["name"] for status in made["statuses"]] == ["To do", "Doing", "Done"]
    changed = house.json("projects", "edit", "dry dock", "--name", "Dock", "--description", "")
    assert (changed["id"], changed["name"], changed["description"]) == (made["id"], "Dock", "")
    waiting = house.json("projects", "status", "Dock", "Handed over", "--done")["statuses"][-1]
    assert (waiting["name"], waiting["done"]) == ("Handed over", True)
    before = {project["name"] for project in house.json("projects", "list")}
    assert "Dock is archived." in house.text("projects", "archive", "Dock")
    assert {project["name"] for project in house.json("projects", "list")} == before - {"Dock"}
    assert "Dock" in house.text("projects", "list", "--all")
    assert "Dock is not archived any more." in house.text("projects", "archive", "Dock", "--undo")
    house.fails("projects", "archive", "Dick", code="project_unknown")
    house.fails("projects", "add", "Mine", "--as", "ben@example.org", code="not_allowed")
