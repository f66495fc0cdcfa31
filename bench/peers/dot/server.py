"""A peer of the bench: django-oauth-toolkit and Django REST framework on SQLite, at their best settings.

`server:application` is what granian serves, from the database that furnish.py made in the folder DOT_FOLDER. POST
/o/token/ gives a token, GET /tasks/NUMBER/ and GET /tasks/?limit=50 ask for one with the scope tasks:read.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from typing import Any

from django.conf import settings

settings.configure(
    SECRET_KEY="protects nothing: there is no session, and no form",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="server",
    DEBUG=False,
    USE_TZ=True,
    LOGGING_CONFIG=None,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "oauth2_provider",
        "rest_framework",
        "board",
    ],
    MIDDLEWARE=[],
    # Connections stay open, and a commit waits for the disk, as ours does.
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["DOT_FOLDER"]) / "dot.db",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                "transaction_mode": "IMMEDIATE",
            },
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["server.Sha256Hasher"],
    OAUTH2_PROVIDER={"SCOPES": {"tasks:read": "Read tasks"}, "DEFAULT_SCOPES": ["tasks:read"]},
    REST_FRAMEWORK={
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_AUTHENTICATION_CLASSES": ["oauth2_provider.contrib.rest_framework.OAuth2Authentication"],
        "UNAUTHENTICATED_USER": None,
    },
)

import django  # noqa: E402

django.setup()

from board.models import Person, Task  # noqa: E402
from django.contrib.auth.hashers import BasePasswordHasher  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.contrib.rest_framework import TokenHasScope  # noqa: E402
from rest_framework import generics, serializers  # noqa: E402
from rest_framework.pagination import LimitOffsetPagination  # noqa: E402


class Sha256Hasher(BasePasswordHasher):
    """A client's secret is random: one round is enough, and the quickest that this peer can be."""

    algorithm = "sha256"

    def encode(self, password: str, salt: str) -> str:
        return f"{self.algorithm}${salt}${hashlib.sha256((salt + password).encode()).hexdigest()}"

    def decode(self, encoded: str) -> dict[str, Any]:
        algorithm, salt, found = encoded.split("$", 2)
        return {"algorithm": algorithm, "salt": salt, "hash": found}

    def verify(self, password: str, encoded: str) -> bool:
        return hmac.compare_digest(self.encode(password, self.decode(encoded)["salt"]), encoded)

    def must_update(self, encoded: str) -> bool:
        return False


class PersonRecord(serializers.ModelSerializer):
    class Meta:
        model = Person
        fields = ("id", "name", "user_name")


class TaskRecord(serializers.ModelSerializer):
    creator = PersonRecord()
    assignees = PersonRecord(many=True)

    class Meta:
        model = Task
        fields = "__all__"


class Tasks(generics.ListAPIView):
    queryset = Task.objects.select_related("creator").prefetch_related("assignees").order_by("number")
    serializer_class = TaskRecord
    permission_classes = (TokenHasScope,)
    required_scopes = ("tasks:read",)
    pagination_class = LimitOffsetPagination


class OneTask(generics.RetrieveAPIView):
    queryset = Tasks.queryset
    serializer_class = TaskRecord
    permission_classes = (TokenHasScope,)
    required_scopes = ("tasks:read",)
    lookup_field = "number"


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("tasks/", Tasks.as_view()),
    path("tasks/<int:number>/", OneTask.as_view()),
]

application = get_wsgi_application()
