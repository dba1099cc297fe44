"""What a ledger must agree with: per customer paid, refunded, charged back (if not reversed), and the net."""

from collections import defaultdict

from topups.sandbox.answers import Json
from topups.sandbox.entities import Chargeback, Payment, Refund
from topups.sandbox.refunds import GIVEN_BACK
from topups.sandbox.world import World

COLUMNS = ("paid_cents", "refunded_cents", "charged_back_cents", "net_cents")


def totals(world: World) -> Json:
    """`{"customers": {cst: columns}, "total": columns}`; payments without a customer stand under ""."""
    customers: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    customer_of: dict[str, str] = {}
    for payment in world.store.every(Payment):
        customer_of[payment.id] = payment.owner
        if payment.status == "paid":
            customers[payment.owner]["paid_cents"] += payment.amount_cents
    for refund in world.store.every(Refund):
        if refund.status not in GIVEN_BACK:
            customers[customer_of[refund.payment_id]]["refunded_cents"] += refund.amount_cents
    for chargeback in world.store.every(Chargeback):
        if chargeback.reversed_at is None:
            customers[customer_of[chargeback.payment_id]]["charged_back_cents"] += chargeback.amount_cents
    for each in customers.values():
        each["net_cents"] = each["paid_cents"] - each["refunded_cents"] - each["charged_back_cents"]
    total = {column: sum(each[column] for each in customers.values()) for column in COLUMNS}
    return {"customers": dict(customers), "total": total}
