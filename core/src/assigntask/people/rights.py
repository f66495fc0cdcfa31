"""What a role may see and do, in scopes. An app acting for somebody never gets more than they have."""

from __future__ import annotations

from functools import cache

from assigntask_sdk.details import SCOPES

from .facts import Role


@cache
def rights_of(role: Role) -> frozenset[str]:
    """The scopes that a role's rights include; one's own record is always one's own and needs none of them."""
    return frozenset(scope.name for scope in SCOPES.values() if role == "admin" or not scope.admin_only)
