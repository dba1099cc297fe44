"""The navigation: which pages there are for whom, which one is open, and how many invoices are due.

A page appears once its slice has registered it, so no entry ever leads nowhere.
"""

from dataclasses import dataclass
from typing import Final

from flask import current_app, g, request, url_for
from flask_babel import gettext, lazy_gettext, ngettext
from flask_babel.speaklater import LazyString
from flask_login import current_user

from app.customers.viewing import viewing
from app.ledger import adjustments
from app.portal import due

Entry = tuple[str, LazyString]

CUSTOMER: Final[tuple[tuple[Entry, ...], ...]] = (
    (
        ("portal.dashboard", lazy_gettext("Overview")),
        ("portal.usage", lazy_gettext("Usage")),
        ("topups.top_up", lazy_gettext("Top up")),
        ("topups.auto_top_up", lazy_gettext("Automatic top-up")),
        ("invoicing.invoices", lazy_gettext("Invoices")),
        ("subscriptions.listed", lazy_gettext("Subscriptions")),
        ("portal.transactions", lazy_gettext("Transactions")),
        ("payments.listed", lazy_gettext("Payments")),
    ),
    (
        ("topups.payment_methods", lazy_gettext("Payment methods")),
        ("addressees.show", lazy_gettext("Billing addressees")),
        ("pay_links.show", lazy_gettext("Pay links")),
        ("alerts.show", lazy_gettext("Alerts")),
    ),
    (
        ("team.show", lazy_gettext("Team")),
        ("account.show", lazy_gettext("Account settings")),
    ),
)
STAFF: Final[tuple[tuple[Entry, ...], ...]] = (
    (
        ("desk.customers", lazy_gettext("Customers")),
        ("desk_figures.show", lazy_gettext("Figures")),
        ("desk_adjustments.approvals", lazy_gettext("Approvals")),
        ("desk_top_ups.every", lazy_gettext("Payments")),
        ("desk_invoices.listed", lazy_gettext("Invoices")),
        ("desk_runs.listed", lazy_gettext("Invoice runs")),
        ("desk_dunning.listed", lazy_gettext("Dunning")),
        ("desk_bank.listed", lazy_gettext("Bank transfers")),
        ("desk_vat.listed", lazy_gettext("VAT numbers")),
        ("desk_exports.show", lazy_gettext("Exports")),
        ("desk_charges.plans_listed", lazy_gettext("Plans")),
    ),
    (
        ("desk_terms.meters", lazy_gettext("Meters")),
        ("desk_prices.try_price", lazy_gettext("Try a price")),
        ("desk_people.listed", lazy_gettext("New sign-ins")),
    ),
    (
        ("desk.jobs", lazy_gettext("Failed jobs")),
        ("desk.mails", lazy_gettext("E-mails")),
        ("desk_webhooks.log", lazy_gettext("Webhooks")),
        ("desk.api_keys", lazy_gettext("API keys")),
        ("desk_settings.show", lazy_gettext("Settings")),
        ("desk_staff.listed", lazy_gettext("Staff")),
        ("desk_audit.log", lazy_gettext("Audit log")),
    ),
)


@dataclass(frozen=True)
class Item:
    """One entry; `count` is 0 when there is nothing to say."""

    url: str
    label: str
    current: bool
    count: int = 0
    count_label: str = ""


@dataclass(frozen=True)
class Navigation:
    groups: tuple[tuple[Item, ...], ...]
    dense: bool


def navigation() -> Navigation:
    """The navigation of this request, made once."""
    made: Navigation | None = g.get("navigation")
    if made is None:
        made = g.navigation = _make()
    return made


def _make() -> Navigation:
    if not current_user.is_authenticated:
        return Navigation((), dense=False)
    # Who looks as a customer has the customer's menu there, and the desk's own at the desk.
    at_desk = (request.blueprint or "").startswith("desk")
    staff = bool(current_user.is_operator) and (viewing() is None or at_desk)
    groups = STAFF if staff else CUSTOMER
    entries = [[entry for entry in group if entry[0] in current_app.view_functions] for group in groups]
    return Navigation(
        tuple(tuple(_item(*entry) for entry in group) for group in entries if group), dense=staff
    )


def _item(endpoint: str, label: LazyString) -> Item:
    url = url_for(endpoint)
    current = request.path == url or request.path.startswith(url.rstrip("/") + "/")
    count, spoken = 0, ""
    if endpoint == "invoicing.invoices":
        waiting = due.waiting()
        count = len(waiting)
        spoken = ngettext("%(num)s invoice to pay", "%(num)s invoices to pay", count)
        if waiting and all(one.is_request for one in waiting):
            spoken = ngettext("%(num)s payment request to pay", "%(num)s payment requests to pay", count)
        elif any(one.is_request for one in waiting):
            spoken = gettext("%(num)s invoices and payment requests to pay", num=count)
    elif endpoint == "desk_adjustments.approvals":
        count = adjustments.pending_count()
        spoken = ngettext("%(num)s adjustment to approve", "%(num)s adjustments to approve", count)
    return Item(url, str(label), current, count, spoken)
