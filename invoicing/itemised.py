"""Itemised usage: every event that an invoice's period counted, as CSV, streamed."""

from collections.abc import Iterator

from invoicing.models import Invoice
from metering import event_log
from metering.event_log import Wanted


def csv_lines(invoice: Invoice) -> Iterator[str]:
    """The events of the period that the document is about, a row per event and meter."""
    return event_log.csv_lines(Wanted(customer_id=invoice.customer_id, period=invoice.period_start))
