"""`python furnish.py FOLDER` makes the database of this peer with one client and its tasks.

It prints one line of JSON: the client's id and secret, and the number of tasks.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from typing import Any

os.environ["DOT_FOLDER"] = sys.argv[1]

import server  # noqa: F401  (sets Django up)
from board.models import Person, Task
from django.core.management import call_command
from oauth2_provider.models import Application

SECRET = "a-secret-of-the-bench-that-protects-nothing-at-all"
TASKS = 100
PEOPLE = ("Ada", "Ben", "Cem", "Dot", "Eli", "Fay", "Gus", "Hal", "Ida", "Jon")


def furnish() -> dict[str, Any]:
    call_command("migrate", verbosity=0, run_syncdb=True)
    client = Application(
        name="Bench",
        client_id="bench",
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        client_secret=SECRET,
    )
    client.save()
    people = [Person.objects.create(name=f"{name} of the Harbour", user_name=name.lower()) for name in PEOPLE]
    now = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    for number in range(1, TASKS + 1):
        task = Task.objects.create(
            number=number,
            summary=f"Mend crane number {number} before the fleet is back",
            description="The hook is worn, and so is the rope. Look at the wheels while you are up there.",
            type="Repair",
            status="Open",
            priority="Medium",
            due=now.date() + dt.timedelta(days=number % 30),
            done=False,
            archived=False,
            version=1,
            created=now,
            updated=now,
            labels=["Urgent"],
            checklist=[{"text": text, "done": False} for text in ("Fetch the ladder", "Paint", "Clean up")],
            creator=people[(number + 3) % 10],
        )
        task.assignees.set((people[number % 7], people[7 + number % 3]))
    return {"client_id": "bench", "client_secret": SECRET, "tasks": TASKS}


if __name__ == "__main__":
    print(json.dumps(furnish()))
