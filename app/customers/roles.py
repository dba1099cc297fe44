"""What a person may do for a customer, by role: one table, which routes name and buttons ask.

A route names its permission by `permitted("pay")` of `app.customers.auth`; a template shows a button where
`may("pay")`. Roles are read anew with each request, so a changed role holds at once.
"""

from typing import Final, Literal

from flask import g
from flask_babel import lazy_gettext

from app.errors import Forbidden

Role = Literal["owner", "billing", "viewer"]
Permission = Literal["view", "pay", "manage_methods", "manage_account", "manage_team", "manage_keys"]

ROLES: Final[tuple[Role, ...]] = ("owner", "billing", "viewer")
PERMISSIONS: Final[dict[Permission, frozenset[Role]]] = {
    # Everything that the customer's pages show.
    "view": frozenset(ROLES),
    # Top up, pay invoices, give a pay link, use credits.
    "pay": frozenset({"owner", "billing"}),
    # What lets us charge later: mandates, automatic top-up and automatic payment.
    "manage_methods": frozenset({"owner"}),
    # Details, alerts and limits, closing.
    "manage_account": frozenset({"owner"}),
    "manage_team": frozenset({"owner"}),
    "manage_keys": frozenset({"owner"}),
}
# Where a role begins after the sign-in.
FIRST_PAGES: Final[dict[str, str]] = {"billing": "invoicing.invoices"}


class NotYourRole(Forbidden):
    code = "not_your_role"
    title = lazy_gettext("You can view this, not change it.")


def allows(role: str, permission: Permission) -> bool:
    return role in PERMISSIONS[permission]


def may(permission: Permission) -> bool:
    """Whether the person of this request may, for the customer they act for."""
    return allows(g.get("role", ""), permission)


def require(permission: Permission) -> None:
    """Raises NotYourRole. For what one form offers to some roles only."""
    if not may(permission):
        raise NotYourRole
