"""What an upgrade of an app would ask for, beyond or short of what was agreed to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .model import Manifest

# They bring nothing but the installation's own life, and ids that the app knew before.
_LIFECYCLE = frozenset({"installed", "upgraded", "uninstalling", "person_forgotten", "person_withdrawn"})

Named = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Difference:
    """From an accepted manifest to another. The `details_*` go by hook, the `contacts_*` by contact.

    A new hook is in `hooks_added`, and with the details it wants in `details_added`. A scope that was optional and
    is now required is in `required_added` and `optional_removed`. `retention_longer` is in days, 0 where not longer.
    """

    required_added: frozenset[str]
    required_removed: frozenset[str]
    optional_added: frozenset[str]
    optional_removed: frozenset[str]
    powers_added: frozenset[str]
    hooks_added: frozenset[str]
    hooks_removed: frozenset[str]
    details_added: Named
    details_removed: Named
    contacts_added: Named
    contacts_removed: Named
    egress_added: frozenset[str]
    egress_removed: frozenset[str]
    origins_added: frozenset[str]  # where people would newly be sent back to, or the client's keys come from
    origins_removed: frozenset[str]
    retention_longer: int
    refuses_on_failure: bool  # a failing guard let changes pass, and would now stop them
    vendor_changed: bool  # another name or country: somebody else receives

    @property
    def asks_more(self) -> bool:
        """Whether an admin has to agree before the new manifest holds."""
        scopes_reach_further = self.required_added or (self.optional_added - self.required_removed)
        return bool(
            scopes_reach_further
            or self.powers_added
            or self.details_added
            or self.hooks_added - _LIFECYCLE
            or self.contacts_added
            or self.egress_added
            or self.origins_added
            or self.retention_longer
            or self.refuses_on_failure
            or self.vendor_changed
        )


def compare(old: Manifest, new: Manifest) -> Difference:
    was_required, is_required = frozenset(old.scopes.required), frozenset(new.scopes.required)
    was_optional, is_optional = frozenset(old.scopes.optional), frozenset(new.scopes.optional)
    was_contacts, is_contacts = _contacts(old), _contacts(new)
    was_origins, is_origins = origins(old), origins(new)
    was_egress, is_egress = frozenset(old.egress), frozenset(new.egress)
    return Difference(
        required_added=is_required - was_required,
        required_removed=was_required - is_required,
        optional_added=is_optional - was_optional,
        optional_removed=was_optional - is_optional,
        powers_added=new.powers - old.powers,
        hooks_added=frozenset(new.hooks) - frozenset(old.hooks),
        hooks_removed=frozenset(old.hooks) - frozenset(new.hooks),
        details_added=_beyond(old.hooks, new.hooks),
        details_removed=_beyond(new.hooks, old.hooks),
        contacts_added=_beyond(was_contacts, is_contacts),
        contacts_removed=_beyond(is_contacts, was_contacts),
        egress_added=is_egress - was_egress,
        egress_removed=was_egress - is_egress,
        origins_added=is_origins - was_origins,
        origins_removed=was_origins - is_origins,
        retention_longer=max(0, new.retention_days - old.retention_days),
        refuses_on_failure=new.on_failure == "refuse" and old.on_failure == "allow",
        vendor_changed=(old.vendor.name, old.vendor.country) != (new.vendor.name, new.vendor.country),
    )


def _contacts(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    return {str(contact): details for contact, details in manifest.contacts.items()}


def origins(manifest: Manifest) -> frozenset[str]:
    """Scheme, host and port of the addresses of its client: where people are sent back to, its keys and metadata."""
    if manifest.oauth is None:
        return frozenset()
    others = (manifest.oauth.jwks_uri, manifest.oauth.client_metadata)
    addresses = (*manifest.oauth.redirect_uris, *(address for address in others if address is not None))
    return frozenset("/".join(address.split("/", 3)[:3]).partition("?")[0].lower() for address in addresses)


def _beyond(base: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> Named:
    """What `other` names that `base` doesn't, by hook or contact; without empty ones."""
    more = {name: frozenset(details) - frozenset(base.get(name, ())) for name, details in other.items()}
    return {name: details for name, details in more.items() if details}
