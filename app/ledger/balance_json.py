"""The API's shape of a balance, for whoever tells of one."""

from app.config import settings
from app.ledger.service import Balance
from app.money import Money


def balance_json(balance: Balance) -> dict[str, object]:
    """`available` = prepaid + promotional - held; all amounts as decimal strings."""
    amounts = {
        "available": balance.available_micros,
        "prepaid": balance.prepaid_micros,
        "credits": balance.credits_micros,
        "promotional": balance.promo_micros,
        "held": balance.held_micros,
        "receivable": balance.receivable_micros,
        "overdraft": balance.overdraft_micros,
    }
    currency = settings().currency
    return {name: Money(micros, currency).to_json() for name, micros in amounts.items()} | {
        "state": balance.state
    }
