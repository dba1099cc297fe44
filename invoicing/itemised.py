"""Itemised usage: every event that an invoice's period counted, as CSV, streamed."""

from collections.abc import Iterator

from invoicing.models import Invoice
from metering import service as metering


def csv_lines(invoice: Invoice) -> Iterator[str]:
    """The events of the period that the document is about, a row per event and meter."""
    return metering.events_csv(invoice.customer_id, invoice.period_start)
