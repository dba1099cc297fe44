"""Credits: money from credit notes, which settles invoices before balance money does.

A customer may move what is left of it to the balance at any time; from then on it is balance money.
"""

from app import audit
from app.audit import Subject
from app.errors import Invalid
from app.ledger import service as ledger
from app.ledger.sides import Posting, Side
from invoicing.errors import NoCredits, TooFewCredits
from invoicing.wording import gettext


def move_to_balance(customer_id: int, *, request_key: str, amount_micros: int | None = None) -> int:
    """Move credits, or all of them, to the balance, once per request key. Answers the micros moved.

    In a unit of work. Raises NoCredits, TooFewCredits, Invalid.
    """
    balance = ledger.lock_balance(customer_id)
    reference = f"credits-moved-{request_key}"
    moved = ledger.find_transfer(customer_id, reference)
    if moved is not None:
        return moved.amount_micros
    if balance.credits_micros <= 0:
        raise NoCredits
    wanted = balance.credits_micros if amount_micros is None else amount_micros
    if wanted <= 0:
        raise Invalid(gettext("Give an amount in whole cents, above zero."), field="amount")
    if wanted > balance.credits_micros:
        raise TooFewCredits
    ledger.post(
        Posting(
            customer_id=customer_id,
            kind="credits_to_balance",
            debit=Side.CREDITS,
            credit=Side.PREPAID,
            amount_micros=wanted,
            reference=reference,
        )
    )
    audit.note(
        "credits.moved",
        Subject("balance", "", customer_id),
        before={"credits_micros": balance.credits_micros},
        after={"credits_micros": balance.credits_micros - wanted},
    )
    return wanted
