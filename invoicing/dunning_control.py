"""What an operator decides about unpaid invoices: pause, resume, waive a fee, give up. In a unit of work.

After each the suspension follows what is so now.
"""

from datetime import date
from uuid import UUID

from invoicing import dunning_pauses, dunning_suspension, late_fee_claims, write_offs
from invoicing.models import Invoice
from invoicing.reading import find


def pause(
    customer_id: int,
    reason: str,
    *,
    number: str | None = None,
    until: date | None = None,
    user_id: int | None = None,
) -> None:
    """Stop the chasing of a customer, or of one invoice. Raises UnknownInvoice, Invalid."""
    invoice = find(number, customer_id) if number else None
    dunning_pauses.pause(customer_id, reason, invoice=invoice, until=until, user_id=user_id)
    dunning_suspension.refresh(customer_id)


def resume(customer_id: int, pause_id: UUID) -> None:
    """Chase again; again is harmless. Raises NotFound."""
    dunning_pauses.resume(customer_id, pause_id)
    dunning_suspension.refresh(customer_id)


def waive_fee(number: str, reason: str) -> None:
    """Take a fee back of which nothing was paid. Raises UnknownInvoice, NoFeeToWaive, Invalid."""
    customer_id = find(number).customer_id
    late_fee_claims.waive(customer_id, number, reason)
    dunning_suspension.refresh(customer_id)


def write_off(number: str, reason: str, user_id: int | None = None) -> Invoice:
    """Give up what is outstanding. Raises what `write_offs.write_off` raises."""
    invoice = write_offs.write_off(number, reason, user_id)
    dunning_suspension.refresh(invoice.customer_id)
    return invoice
