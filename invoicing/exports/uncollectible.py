"""What was given up as uncollectible in a quarter, and what came back: the VAT that the return asks back."""

from datetime import timedelta

from invoicing import write_offs
from invoicing.exports.quarters import Quarter
from invoicing.exports.tables import amount, csv_of

HEAD = ("quarter", "day", "invoice", "issued", "country", "customer", "amount", "vat", "reason")


def uncollectible(quarter: Quarter) -> str:
    """A row per write-off; below zero where money arrived after all."""
    return csv_of(
        HEAD,
        [
            (
                str(quarter),
                one.day,
                one.number,
                one.issue_date,
                one.country,
                one.name,
                amount(one.amount_cents),
                amount(one.vat_cents),
                one.reason,
            )
            for one in write_offs.declared_between(quarter.start, quarter.end - timedelta(days=1))
        ],
    )
