"""Jobs of VAT numbers. Each may run twice. Without a register to ask there is nothing to do."""

from app.db import unit_of_work
from invoicing import vat_numbers, vies


def sweep() -> None:
    """Find new numbers, and ask about those whose time has come."""
    if not vies.is_configured():
        return
    with unit_of_work():
        vat_numbers.watch_new()
        vat_numbers.send_due()


def check(customer_id: int) -> None:
    if vies.is_configured():
        vat_numbers.check(customer_id)
