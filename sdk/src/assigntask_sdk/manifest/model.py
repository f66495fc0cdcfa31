"""The manifest's shape. Reading it from TOML, with all the checks, is `parse` and `load`."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
)

from ..details import SCOPES

# Control characters could forge lines of a terminal; the bidirectional ones, what a consent page says.
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HTTPS = r"https://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?(?:/[!-~]*)?"

ISO_3166_1 = frozenset(
    """AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ
    FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ
    IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH
    MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL
    PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD
    TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM
    ZW""".split()  # noqa: SIM905 - 249 quoted pairs would be harder to compare with the standard
)


def _country(code: str) -> str:
    if code not in ISO_3166_1:
        raise ValueError("not a country")
    return code


def _no_fragment(uri: str) -> str:
    if "#" in uri:
        raise ValueError("has a fragment")
    return uri


def _sorted(names: tuple[str, ...]) -> tuple[str, ...]:
    """Order and repetition mean nothing here, so they must not change the digest."""
    return tuple(sorted(set(names)))


def _words(longest: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest, pattern=_PRINTABLE)


AppId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,38}$")]
Version: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){2}$")]
ModuleName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$", max_length=100)]
ContactPoint: TypeAlias = Annotated[
    str, StringConstraints(pattern=rf"^(?:[!-?A-~]+@{_LABEL}(?:\.{_LABEL})+|{_HTTPS})$", max_length=200)
]
WebAddress: TypeAlias = Annotated[str, StringConstraints(pattern=f"^{_HTTPS}$", max_length=500)]
# RFC 8252, section 7.3: a program on the person's own machine listens at whatever port is free, so none is named.
_LOOPBACK = r"http://(?:127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?(?:/[!-~]*)?"
RedirectUri: TypeAlias = Annotated[
    str, StringConstraints(pattern=f"^(?:{_HTTPS}|{_LOOPBACK})$", max_length=500), AfterValidator(_no_fragment)
]
Country: TypeAlias = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$"), AfterValidator(_country)]
Host: TypeAlias = Annotated[
    str, StringConstraints(pattern=rf"^(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?$", max_length=253)
]
DetailNames: TypeAlias = Annotated[tuple[str, ...], AfterValidator(_sorted)]
Contact: TypeAlias = Literal["installer", "technical", "billing"]
SettingValue: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
"""bool for "check", int or float for "number", str for "text" and "choice"."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Vendor(_Part):
    """Who publishes the app: who answers for it (`contact`), where (`country`), and under which policy."""

    name: Annotated[str, _words(80)]
    contact: ContactPoint
    privacy: WebAddress
    country: Country


class Scopes(_Part):
    """Scope to the vendor's reason. An admin can leave out the optional ones."""

    required: Mapping[str, Annotated[str, _words(200)]] = Field(default_factory=dict)
    optional: Mapping[str, Annotated[str, _words(200)]] = Field(default_factory=dict)


class OAuth(_Part):
    """How the app's client is reached and proves who it is. Only an app that asks people for an authorization needs it.

    `redirect_uris`: where people may be sent back to, compared letter by letter; an http address of this machine
    (127.0.0.1, [::1]) may have any port. `client_metadata`: an https address that is the client's id too, where a
    document names its redirect URIs.
    """

    redirect_uris: Annotated[tuple[RedirectUri, ...], AfterValidator(_sorted), Field(max_length=20)] = ()
    jwks_uri: WebAddress | None = None
    auth_method: Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] = "client_secret_basic"
    client_metadata: WebAddress | None = None


class Setting(_Part):
    type: Literal["text", "number", "check", "choice"]
    label: Annotated[str, _words(80)]
    default: SettingValue
    choices: tuple[Annotated[str, _words(80)], ...] = ()
    help: Annotated[str, _words(300)] | None = None

    def why_not(self, value: object) -> str | None:
        """What to give instead, where the setting can't take this value; else None."""
        if self.type == "check":
            return None if isinstance(value, bool) else "give true or false"
        if self.type == "number":
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            return None if number else "give a number"
        if not isinstance(value, str):
            return "give text"
        if self.type == "choice" and value not in self.choices:
            return "give one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        return None if len(value) <= 2000 else "give at most 2000 characters"


class Manifest(_Part):
    """Frozen. A default never changes from one SDK to the next: the digest leaves defaults out."""

    sdk: Literal[1]
    id: AppId
    name: Annotated[str, _words(60)]
    version: Version
    vendor: Vendor
    module: ModuleName = "hooks"
    scopes: Scopes = Field(default_factory=Scopes)
    contacts: Mapping[Contact, DetailNames] = Field(default_factory=dict)
    hooks: Mapping[str, DetailNames] = Field(default_factory=dict)
    settings: Mapping[str, Setting] = Field(default_factory=dict)
    person_settings: Mapping[str, Setting] = Field(default_factory=dict)
    egress: Annotated[tuple[Host, ...], AfterValidator(_sorted)] = ()
    oauth: OAuth | None = None
    retention_days: Annotated[StrictInt, Field(ge=0, le=3650)] = 30
    on_failure: Literal["allow", "refuse"] = "allow"
    in_order: StrictBool = True
    schedule: Annotated[Mapping[str, Annotated[str, _words(100)]], Field(max_length=20)] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """ "sha256:" and the hex digest of the manifest as JSON, keys sorted, without white space or defaults."""
        body = self.model_dump(mode="json", exclude_defaults=True)
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    @property
    def requested(self) -> frozenset[str]:
        """All scopes, required and optional."""
        return frozenset(self.scopes.required) | frozenset(self.scopes.optional)

    @property
    def powers(self) -> frozenset[str]:
        """The requested scopes that let the app do something."""
        return frozenset(scope for scope in self.requested if scope in SCOPES and SCOPES[scope].power)

    def details_wanted(self, hook: str) -> frozenset[str]:
        """Empty where the app doesn't answer the hook."""
        return frozenset(self.hooks.get(hook, ()))

    def settings_with(self, stored: Mapping[str, Any]) -> dict[str, SettingValue]:
        """The installation's settings: what is stored, where it still fits this manifest, else the default."""
        return _filled(self.settings, stored)

    def person_settings_with(self, stored: Mapping[str, Any]) -> dict[str, SettingValue]:
        """One person's settings, in the same way."""
        return _filled(self.person_settings, stored)


def _filled(settings: Mapping[str, Setting], stored: Mapping[str, Any]) -> dict[str, SettingValue]:
    return {
        name: stored[name] if name in stored and setting.why_not(stored[name]) is None else setting.default
        for name, setting in settings.items()
    }
