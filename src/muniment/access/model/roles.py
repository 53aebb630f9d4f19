# SPDX-License-Identifier: Apache-2.0
"""Who may do what: roles, actions, the one table between them, and `authorize`. Where a role was given is the store's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from muniment.access.errors import NotFound, NotPermitted, UnknownAction, UnknownRole
from muniment.units.errors import Place
from muniment.units.ids import TenantId, UserId


class Role(Enum):
    """What a member is to an organisation."""

    OWNER = "owner"
    TRANSFER_AGENT = "transfer_agent"
    COMPLIANCE_OFFICER = "compliance_officer"
    INVESTOR = "investor"
    AUDITOR = "auditor"
    SERVICE = "service"


class Action(Enum):
    """Everything that needs a permission, as `context.verb`. What is missing here cannot be permitted."""

    ACCESS_VIEW_ORGANISATION = "access.view_organisation"
    ACCESS_VIEW_MEMBERS = "access.view_members"
    ACCESS_INVITE_MEMBER = "access.invite_member"
    ACCESS_CHANGE_ROLES = "access.change_roles"
    ACCESS_REMOVE_MEMBER = "access.remove_member"
    ACCESS_VIEW_APPROVALS = "access.view_approvals"
    ACCESS_DECIDE_APPROVAL = "access.decide_approval"
    ACCESS_SET_APPROVAL_POLICY = "access.set_approval_policy"
    ACCESS_VIEW_AUDIT = "access.view_audit"

    PARTIES_VIEW = "parties.view"
    PARTIES_VIEW_PERSONAL_DATA = "parties.view_personal_data"
    PARTIES_ONBOARD = "parties.onboard"
    PARTIES_ADD_WALLET = "parties.add_wallet"
    PARTIES_VERIFY = "parties.verify"
    PARTIES_ADD_CLAIM = "parties.add_claim"
    PARTIES_CLASSIFY = "parties.classify"
    PARTIES_REVOKE_CLAIM = "parties.revoke_claim"
    PARTIES_SCREEN = "parties.screen"
    PARTIES_SET_PROVIDER = "parties.set_provider"
    PARTIES_ERASE = "parties.erase"
    PARTIES_EXPORT = "parties.export"

    INSTRUMENTS_VIEW = "instruments.view"
    INSTRUMENTS_TOKENISE = "instruments.tokenise"
    INSTRUMENTS_DEPLOY = "instruments.deploy"
    INSTRUMENTS_UPLOAD_DOCUMENT = "instruments.upload_document"

    REGISTER_VIEW = "register.view"
    REGISTER_REBUILD = "register.rebuild"
    REGISTER_EXPORT = "register.export"
    REGISTER_ANNOTATE = "register.annotate"

    COMPLIANCE_VIEW = "compliance.view"
    COMPLIANCE_CHECK = "compliance.check"
    COMPLIANCE_SET_RULES = "compliance.set_rules"
    COMPLIANCE_OPEN_SECURITY = "compliance.open_security"
    COMPLIANCE_FREEZE = "compliance.freeze"
    COMPLIANCE_CHOOSE_LAW = "compliance.choose_law"
    COMPLIANCE_ASSESS = "compliance.assess"
    COMPLIANCE_SIGN_ASSESSMENT = "compliance.sign_assessment"
    COMPLIANCE_LOCK = "compliance.lock"
    COMPLIANCE_RELEASE_LOCKUP = "compliance.release_lockup"
    COMPLIANCE_APPROVE_TRANSFER = "compliance.approve_transfer"
    COMPLIANCE_SET_CATEGORY = "compliance.set_category"

    SETTLEMENT_VIEW = "settlement.view"
    SETTLEMENT_ISSUE = "settlement.issue"
    SETTLEMENT_TRANSFER = "settlement.transfer"
    SETTLEMENT_FORCED_TRANSFER = "settlement.forced_transfer"
    SETTLEMENT_BURN = "settlement.burn"
    SETTLEMENT_RECOVER = "settlement.recover"
    SETTLEMENT_RECONCILE = "settlement.reconcile"
    SETTLEMENT_SET_PAYMENT_TOKEN = "settlement.set_payment_token"  # noqa: S105 - a permission, no secret

    SERVICING_VIEW = "servicing.view"
    SERVICING_DECLARE_DIVIDEND = "servicing.declare_dividend"
    SERVICING_CANCEL_DIVIDEND = "servicing.cancel_dividend"

    NOTICES_VIEW = "notices.view"
    NOTICES_EXPLAIN = "notices.explain"


_ISSUER = (Role.OWNER,)
_AGENTS = (Role.OWNER, Role.TRANSFER_AGENT)
_OFFICERS = (Role.OWNER, Role.COMPLIANCE_OFFICER)
_STAFF = (Role.OWNER, Role.TRANSFER_AGENT, Role.COMPLIANCE_OFFICER)
_READERS = (*_STAFF, Role.AUDITOR)
_READERS_AND_SERVICES = (*_READERS, Role.SERVICE)
_EVERYBODY = tuple(Role)

PERMITTED: Final[Mapping[Action, tuple[Role, ...]]] = {
    Action.ACCESS_VIEW_ORGANISATION: _EVERYBODY,
    Action.ACCESS_VIEW_MEMBERS: _READERS,
    Action.ACCESS_INVITE_MEMBER: _ISSUER,
    Action.ACCESS_CHANGE_ROLES: _ISSUER,
    Action.ACCESS_REMOVE_MEMBER: _ISSUER,
    Action.ACCESS_VIEW_APPROVALS: _READERS,
    Action.ACCESS_DECIDE_APPROVAL: _STAFF,
    Action.ACCESS_SET_APPROVAL_POLICY: _ISSUER,
    Action.ACCESS_VIEW_AUDIT: (Role.OWNER, Role.COMPLIANCE_OFFICER, Role.AUDITOR),
    Action.PARTIES_VIEW: _READERS_AND_SERVICES,
    Action.PARTIES_VIEW_PERSONAL_DATA: _STAFF,
    Action.PARTIES_ONBOARD: _STAFF,
    Action.PARTIES_ADD_WALLET: _STAFF,
    Action.PARTIES_VERIFY: _OFFICERS,
    Action.PARTIES_ADD_CLAIM: _OFFICERS,
    Action.PARTIES_CLASSIFY: _OFFICERS,
    Action.PARTIES_REVOKE_CLAIM: _OFFICERS,
    Action.PARTIES_SCREEN: _OFFICERS,
    Action.PARTIES_SET_PROVIDER: _ISSUER,
    Action.PARTIES_ERASE: _OFFICERS,
    Action.PARTIES_EXPORT: _STAFF,
    Action.INSTRUMENTS_VIEW: _EVERYBODY,
    Action.INSTRUMENTS_TOKENISE: _ISSUER,
    Action.INSTRUMENTS_DEPLOY: _ISSUER,
    Action.INSTRUMENTS_UPLOAD_DOCUMENT: _AGENTS,
    Action.REGISTER_VIEW: _READERS_AND_SERVICES,
    Action.REGISTER_REBUILD: (*_AGENTS, Role.AUDITOR),
    Action.REGISTER_EXPORT: _READERS,
    Action.REGISTER_ANNOTATE: _STAFF,
    Action.COMPLIANCE_VIEW: _READERS_AND_SERVICES,
    Action.COMPLIANCE_CHECK: _READERS_AND_SERVICES,
    Action.COMPLIANCE_SET_RULES: _OFFICERS,
    Action.COMPLIANCE_OPEN_SECURITY: _OFFICERS,
    Action.COMPLIANCE_FREEZE: _STAFF,
    Action.COMPLIANCE_CHOOSE_LAW: _OFFICERS,
    Action.COMPLIANCE_ASSESS: _STAFF,
    Action.COMPLIANCE_SIGN_ASSESSMENT: _OFFICERS,
    Action.COMPLIANCE_LOCK: _AGENTS,
    Action.COMPLIANCE_RELEASE_LOCKUP: _AGENTS,
    Action.COMPLIANCE_APPROVE_TRANSFER: _AGENTS,
    Action.COMPLIANCE_SET_CATEGORY: _OFFICERS,
    Action.SETTLEMENT_VIEW: _READERS_AND_SERVICES,
    Action.SETTLEMENT_ISSUE: _AGENTS,
    Action.SETTLEMENT_TRANSFER: (*_AGENTS, Role.SERVICE),
    Action.SETTLEMENT_FORCED_TRANSFER: _AGENTS,
    Action.SETTLEMENT_BURN: _AGENTS,
    Action.SETTLEMENT_RECOVER: _AGENTS,
    Action.SETTLEMENT_RECONCILE: (*_AGENTS, Role.AUDITOR),
    Action.SETTLEMENT_SET_PAYMENT_TOKEN: _ISSUER,
    Action.SERVICING_VIEW: _READERS_AND_SERVICES,
    Action.SERVICING_DECLARE_DIVIDEND: _AGENTS,
    Action.SERVICING_CANCEL_DIVIDEND: _AGENTS,
    Action.NOTICES_VIEW: _READERS,
    Action.NOTICES_EXPLAIN: _STAFF,
}
"""The one table of permissions. An action that is not in it is permitted to nobody."""

SYSTEM_USER_ID: Final = UserId(UUID(int=0))
"""Who the audit log names when a worker acted; no session ever belongs to it."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts for one organisation, with the roles that its owner gave."""

    user_id: UserId
    tenant_id: TenantId
    roles: frozenset[Role]
    display_name: str

    @property
    def actions(self) -> frozenset[Action]:
        """Everything that the actor's roles permit."""
        return frozenset(action for action, roles in PERMITTED.items() if not self.roles.isdisjoint(roles))


def system_actor(tenant_id: TenantId) -> Actor:
    """Return the actor that workers write into the audit log; it has no role, so it may do nothing that is asked of `authorize`."""
    return Actor(user_id=SYSTEM_USER_ID, tenant_id=tenant_id, roles=frozenset(), display_name="Muniment")


def permits(actor: Actor, action: Action) -> bool:
    """Return whether one of the actor's roles permits the action; an action without a line in the table is denied."""
    return not actor.roles.isdisjoint(PERMITTED.get(action, ()))


def authorize(actor: Actor, action: Action, *, tenant_id: TenantId) -> None:
    """Let the actor pass, or refuse.

    `tenant_id` is the owner of what is acted on. For another organisation's thing the answer is `access.not_found`, so that nobody
    learns what exists elsewhere; without a fitting role it is `access.not_permitted`.
    """
    if actor.tenant_id != tenant_id:
        raise NotFound(what="thing")
    if not permits(actor, action):
        raise NotPermitted(
            action=action.value,
            roles=role_names(actor.roles) or "none",
            roles_permitted=role_names(frozenset(PERMITTED.get(action, ()))),
        )


def role_names(roles: frozenset[Role]) -> str:
    """Return the roles' names in a fixed order, for people."""
    return ", ".join(sorted(role.value for role in roles))


def parse_role(text: str, *, field: str = "roles") -> Role:
    """Return the role of that name."""
    try:
        return Role(text)
    except ValueError:
        raise UnknownRole(role=text, roles=role_names(frozenset(Role)), place=Place(field=field)) from None


def parse_action(text: str, *, field: str = "action") -> Action:
    """Return the action of that name."""
    try:
        return Action(text)
    except ValueError:
        raise UnknownAction(action=text, place=Place(field=field)) from None
