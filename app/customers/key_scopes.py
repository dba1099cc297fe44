"""What a customer's own key opens: these routes, for that customer alone, and nothing else of the API.

The provider's keys have the scope `full` and are not asked. A new route is closed to customers' keys until it
stands here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask_babel import lazy_gettext

from app.customers.service import UnknownCustomer, customer_ids_of
from app.errors import Forbidden, NotFound
from app.public_ids import customer_of

# Reading what concerns the customer, found by its reference in the address.
_READ_OF_CUSTOMER: Final = frozenset({
    "addressees_api.list_addressees",
    "alerts_api.read_alerts",
    "auto_pay_api.read_auto_pay",
    "bank_api.read_bank_transfer",
    "holds_api.list_holds",
    "invoicing_api.list_customers_invoices",
    "invoicing_api.read_upcoming_invoice",
    "invoicing_charges_api.list_charges",
    "invoicing_charges_api.read_charge",
    "invoicing_charges_api.read_charge_attachment",
    "invoicing_subscriptions_api.list_subscriptions",
    "invoicing_subscriptions_api.read_subscription",
    "ledger_api.list_grants",
    "ledger_api.list_transactions",
    "ledger_api.read_balance",
    "ledger_api.read_customer",
    "own_prices_api.list_own_prices",
    "topups_api.list_payment_methods",
    "topups_api.list_top_ups",
    "topups_api.read_auto_top_up",
    "usage_api.export_events",
    "usage_api.list_events",
    "usage_api.read_usage",
})  # fmt: skip
# By the number of an invoice or the id of a payment, which name their customer.
_READ_OF_DOCUMENT: Final = frozenset({
    "invoicing_api.read_invoice",
    "invoicing_api.read_itemised_usage",
    "invoicing_api.read_paid_copy",
    "invoicing_api.read_pdf",
    "invoicing_api.read_xml",
    "refunds_api.list_refunds",
    "refunds_api.read_receipt",
    "topups_api.read_top_up",
})  # fmt: skip
# The price list that everybody may know.
_SHARED: Final = frozenset({"metering_api.list_meters", "metering_api.list_prices"})

SCOPES: Final[dict[str, frozenset[str]]] = {
    "read": _READ_OF_CUSTOMER | _READ_OF_DOCUMENT | _SHARED,
    # `take_events` looks at each event's subject, since its address names no customer.
    "events": frozenset({"metering_api.take_events", "metering_api.void_event", "metering_api.list_meters"}),
}
Finder = Callable[[str, int], object]


class KeyScope(Forbidden):
    code = "key_scope"
    title = lazy_gettext("This key may not do this.")


def check(
    scope: str, customer_id: int, endpoint: str, arguments: Mapping[str, Any], finders: Mapping[str, Finder]
) -> None:
    """What another customer has does not exist for this key. Raises NotFound, KeyScope.

    `finders` find what an argument names for a customer and raise NotFound for another's.
    """
    reference = arguments.get("reference")
    if reference is not None and customer_ids_of([reference]).get(reference) != customer_id:
        raise UnknownCustomer
    for name, value in arguments.items():
        if name in finders:
            finders[name](str(value), customer_id)
        elif name.endswith("_id") and "_" in str(value) and customer_of(str(value)) != customer_id:
            raise NotFound
    if endpoint not in SCOPES[scope]:
        raise KeyScope
