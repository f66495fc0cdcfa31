"""Every key that a Trello export is known to hold: read, or left out for a reason that the report gives.

A key in neither table is reported by name, so that a newer export never loses something silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .trello_node import Node


@dataclass(frozen=True, slots=True)
class _Kind:
    what: str
    why: str


_INTERNAL = _Kind(
    "Trello's own bookkeeping (counters, limits, short links)",
    "Trello works these out or needs them only for itself.",
)
_LOOK = _Kind("backgrounds and board settings", "Looks and settings of Trello; boards here have their own.")
_FIELDS = _Kind("custom fields", "Tasks here have no custom fields.")
_FIELD_VALUES = _Kind("values of custom fields", "Tasks here have no custom fields.")
_POWER_UPS = _Kind("data of Power-Ups", "Only the Power-Up that stored it can read it.")
_STICKERS = _Kind("stickers", "Tasks here have no stickers.")
_VOTES = _Kind("votes", "Tasks here have no votes.")
_COVERS = _Kind("covers", "Tasks here have no cover picture; the attached picture itself is kept as a link.")
_PLACES = _Kind("places on the map", "Tasks here have no place.")
_REMINDERS = _Kind("reminders", "Reminders are set by each person here.")
_WATCHING = _Kind("watched cards, lists and boards", "Watching is the exporting person's own choice.")
_ADDRESSES = _Kind("cards' addresses at Trello", "They lead back to the board that was exported.")
_TEMPLATES = _Kind("template marks", "A template card arrives as an ordinary task.")
_ROLES = _Kind("cards that mirror or link another board", "They arrive as tasks, without the tie to the other board.")
_RIGHTS = _Kind("rights on the Trello board", "Rights are given in this organisation, never by a file.")
_PROFILES = _Kind("profiles of members", "Only name and user name are read: the rest is theirs to enter.")
_PREVIEWS = _Kind("previews of attachments", "Small copies of a picture; the link to the picture is kept.")
_LIMITS = _Kind("limits on how many cards a list holds", "Statuses here have no limit.")
_APPS = _Kind("apps that wrote a comment", "The person whose name it carries is kept.")
_REACTIONS = _Kind("reactions to comments", "Comments here have no reactions.")

_READ: Mapping[str, str] = {
    "board": "id name desc closed url shortUrl actions cards labels lists members checklists",
    "list": "id name closed pos",
    "label": "id name color",
    "member": "id fullName username",
    "card": "id idShort name desc idList closed pos due dueComplete start dateLastActivity idMembers members idLabels "
    "labels idChecklists checklists checkItemStates attachments",
    "checklist": "id name pos idCard checkItems",
    "item": "id name pos state due idMember",
    "attachment": "id name fileName url idMember date mimeType bytes isUpload",
    "comment": "id type date data idMemberCreator memberCreator member",
}

_INTERNAL_KEYS: Mapping[str, str] = {
    "board": "nodeId descData dateClosed idOrganization idEnterprise limits shortLink labelNames dateLastActivity "
    "dateLastView idTags datePluginDisable creationMethod creationMethodError creationMethodLoadingStartedAt "
    "ixUpdate enterpriseOwned idBoardSource premiumFeatures idMemberCreator templateGallery type "
    "invitations invited organization nameData",
    "list": "idBoard limits creationMethod nodeId type datasource idOrganization status dateClosed",
    "label": "idBoard idOrganization uses nodeId",
    "member": "",
    "card": "nodeId badges creationMethod creationMethodError creationMethodLoadingStartedAt descData nameData "
    "idBoard idOrganization limits shortLink dateClosed dateCompleted manualCoverAttachment email "
    "dateViewedByCurrentMember",
    "checklist": "idBoard limits creationMethod nodeId",
    "item": "nameData idChecklist nodeId idCard limits",
    "attachment": "pos edgeColor isMalicious nodeId limits",
    "comment": "limits display nodeId",
}

_LEFT_OUT: Mapping[str, Mapping[str, _Kind]] = {
    "board": {
        "prefs": _LOOK,
        "switcherViews": _LOOK,
        "customFields": _FIELDS,
        "powerUps": _POWER_UPS,
        "pluginData": _POWER_UPS,
        "memberships": _RIGHTS,
        "subscribed": _WATCHING,
        "starred": _WATCHING,
        "boardStars": _WATCHING,
        "pinned": _WATCHING,
    },
    "list": {"softLimit": _LIMITS, "subscribed": _WATCHING, "color": _LOOK},
    "label": {},
    "member": {},
    "card": {
        "stickers": _STICKERS,
        "idMembersVoted": _VOTES,
        "customFieldItems": _FIELD_VALUES,
        "pluginData": _POWER_UPS,
        "cover": _COVERS,
        "idAttachmentCover": _COVERS,
        "coordinates": _PLACES,
        "address": _PLACES,
        "locationName": _PLACES,
        "staticMapUrl": _PLACES,
        "dueReminder": _REMINDERS,
        "subscribed": _WATCHING,
        "url": _ADDRESSES,
        "shortUrl": _ADDRESSES,
        "isTemplate": _TEMPLATES,
        "cardRole": _ROLES,
        "mirrorSourceId": _ROLES,
        "mirrorSourceNodeId": _ROLES,
        "pinned": _WATCHING,
    },
    "checklist": {},
    "item": {"dueReminder": _REMINDERS},
    "attachment": {"previews": _PREVIEWS},
    "comment": {"appCreator": _APPS, "reactions": _REACTIONS},
}

_KEYS_READ = {record: frozenset(keys.split()) for record, keys in _READ.items()}
_KEYS_INTERNAL = {record: frozenset(keys.split()) for record, keys in _INTERNAL_KEYS.items()}
_COVER_MAKERS = ("color", "idAttachment", "idUploadedBackground", "idPlugin", "sharedSourceUrl")


def survey(record: str, node: Node) -> None:
    """Reports to the node's tally what `node`, an object of the kind `record`, holds beyond what is read.

    A list counts its entries; anything else counts once per object, however many keys it takes there.
    """
    entries: dict[_Kind, int] = {}
    for key, value in node.fields.items():
        if key in _KEYS_READ[record] or _is_nothing(key, value):
            continue
        kind = _kind(record, key)
        if kind is None:
            why = "This reader does not know them; they may be newer than it is."
            name = key.encode("ascii", "backslashreplace").decode()[:60]
            node.tally.add(f"unknown keys of a {record}", why, example=name)
        else:
            entries[kind] = max(entries.get(kind, 1), len(value) if isinstance(value, list) else 1)
    for kind, count in entries.items():
        node.tally.add(kind.what, kind.why, count=count, example=_identity(node))


def _kind(record: str, key: str) -> _Kind | None:
    if record == "member":
        return _PROFILES
    return _INTERNAL if key in _KEYS_INTERNAL[record] else _LEFT_OUT[record].get(key)


def _identity(node: Node) -> str:
    found = node.fields.get("id")
    return found if isinstance(found, str) and found.isprintable() else node.path


def _is_nothing(key: str, value: object) -> bool:
    """Every card has a `cover` with a size and a brightness, shown or not; a reminder of -1 is none."""
    if key == "cover" and isinstance(value, dict):
        return not any(value.get(maker) for maker in _COVER_MAKERS)
    return not value or (key == "dueReminder" and value == -1)
