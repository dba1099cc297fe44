"""Tables of invoicing. What is on an issued document never changes; only what was paid of it does.

Parties, texts and rates are snapshots. Money printed on a document is whole cents, money that moves micros.
"""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Micros, Model, UtcDateTime

INVOICE: Final = "invoice"
CREDIT_NOTE: Final = "credit_note"
# What an invoice is called to the outside while it is only asked for: it has no number of a series yet.
PAYMENT_REQUEST: Final = "payment_request"


class Invoice(Model):
    """An issued invoice or credit note. A credit note's amounts are positive: what the customer gets back.

    Where the provider issues on payment, an invoice begins as a payment request: all of it but the number
    and the day of issue is frozen, and until it is issued its own name stands in the number's place.
    """

    __tablename__ = "invoice"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    number: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(16))
    # What this document closes, e.g. "2026-10-01": closing it again finds it here.
    close_key: Mapped[str | None] = mapped_column(String(64))
    period_start: Mapped[date] = mapped_column(Date)
    period_end: Mapped[date] = mapped_column(Date)
    issue_date: Mapped[date] = mapped_column(Date)
    due_date: Mapped[date] = mapped_column(Date)
    issued_at: Mapped[UtcDateTime]
    currency: Mapped[str] = mapped_column(String(3))
    locale: Mapped[str] = mapped_column(String(2))
    seller: Mapped[dict[str, Any]] = mapped_column(JSONB)
    buyer: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # Of what was asked for before it was issued: its name then, which keeps naming it, and when.
    request_number: Mapped[str | None] = mapped_column(String(32))
    requested_at: Mapped[UtcDateTime | None]
    # What of the due had been paid when the invoice was issued.
    paid_first_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    original_number: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(Text)

    net_cents: Mapped[int] = mapped_column(BigInteger)
    discount_cents: Mapped[int] = mapped_column(BigInteger)
    vat_cents: Mapped[int] = mapped_column(BigInteger)
    total_cents: Mapped[int] = mapped_column(BigInteger)
    credits_used_cents: Mapped[int] = mapped_column(BigInteger)
    credits_left_cents: Mapped[int] = mapped_column(BigInteger)
    prepaid_cents: Mapped[int] = mapped_column(BigInteger)
    due_cents: Mapped[int] = mapped_column(BigInteger)
    # Of a credit note: what it took off unpaid invoices, and what became credits.
    offset_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    to_credits_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    # The customer's balance over the period, in micros by row of the block.
    balance: Mapped[dict[str, int]] = mapped_column(JSONB)

    # What happens to the document after it was issued.
    settled_micros: Mapped[Micros] = mapped_column(default=0)
    settled_at: Mapped[UtcDateTime | None]
    # A claim for paying late, beside what the document says; and what was given up as uncollectible.
    late_fee_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    written_off_micros: Mapped[Micros] = mapped_column(default=0)
    # What credit notes have taken back of it, VAT included.
    credited_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    # Of a credit note somebody asked for: the request that made it, which makes it once.
    request_key: Mapped[str | None] = mapped_column(String(128))

    lines: Mapped[list["InvoiceLine"]] = relationship(order_by="InvoiceLine.position", viewonly=True)
    taxes: Mapped[list["InvoiceTax"]] = relationship(order_by="InvoiceTax.position", viewonly=True)

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "invoice_id"),
        UniqueConstraint("customer_id", "number"),
        UniqueConstraint("customer_id", "request_number"),
        UniqueConstraint("customer_id", "close_key"),
        UniqueConstraint("customer_id", "request_key"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind"),
        CheckConstraint("total_cents = net_cents - discount_cents + vat_cents", name="total"),
        CheckConstraint(
            "total_cents = credits_used_cents + prepaid_cents + due_cents + offset_cents + to_credits_cents",
            name="settlement",
        ),
        CheckConstraint("paid_first_cents BETWEEN 0 AND due_cents", name="paid_first_within_due"),
        CheckConstraint("(request_number IS NULL) = (requested_at IS NULL)", name="requested"),
        # More than the total where one line gave back what another charged, and that one came back.
        CheckConstraint("credited_cents >= 0", name="credited"),
        CheckConstraint(
            "settled_micros >= 0 AND written_off_micros >= 0 AND late_fee_cents >= 0 "
            "AND settled_micros + written_off_micros <= (due_cents + late_fee_cents) * 10000",
            name="settled_within_due",
        ),
        Index("ix_invoice_issued", "customer_id", "issued_at"),
        Index(
            "ix_invoice_outstanding",
            "customer_id",
            "due_date",
            postgresql_where=text(
                "settled_micros + written_off_micros < (due_cents + late_fee_cents) * 10000"
            ),
        ),
    )

    @property
    def outstanding_micros(self) -> int:
        """What is still to be paid: what was due and a late fee, less what was paid or given up."""
        claim_cents = self.due_cents + (self.late_fee_cents or 0)
        return claim_cents * 10_000 - self.settled_micros - (self.written_off_micros or 0)

    @property
    def is_request(self) -> bool:
        """Whether it is asked for and not issued yet: no invoice."""
        return self.request_number is not None and self.number == self.request_number

    @property
    def asked_cents(self) -> int:
        """What the document asks for: what was due, less what had been paid when it was issued."""
        return self.due_cents - (self.paid_first_cents or 0)

    @property
    def names(self) -> tuple[str, ...]:
        """What it goes by: its number, and the name that it was asked for with."""
        return tuple(dict.fromkeys((self.number, self.request_number or self.number)))

    @property
    def first_name(self) -> str:
        """What it went by from its beginning; its payment reference is made of it, and stays."""
        return self.request_number or self.number


# What of an invoice is still to be paid, as its property says it.
OUTSTANDING_MICROS: Final = (
    (Invoice.due_cents + Invoice.late_fee_cents) * 10_000
    - Invoice.settled_micros
    - Invoice.written_off_micros
)


# Whether anything of an invoice is to be paid, as the index of unpaid ones knows it.
UNPAID: Final = (
    Invoice.settled_micros + Invoice.written_off_micros
    < (Invoice.due_cents + Invoice.late_fee_cents) * 10_000
)


# Whether a document is an issued one: no request that waits for its money.
IS_ISSUED: Final = Invoice.number.is_distinct_from(Invoice.request_number)


def is_named(names: Collection[str]) -> ColumnElement[bool]:
    """Whether a document goes, or went, by one of these names."""
    wanted = list(names)
    return or_(Invoice.number.in_(wanted), Invoice.request_number.in_(wanted))


class InvoiceLine(Model):
    """One line, frozen. `names` holds the meter's name by language; the amount is `net_cents`."""

    __tablename__ = "invoice_line"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    position: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(16))
    meter: Mapped[str] = mapped_column(String(128))
    names: Mapped[dict[str, str]] = mapped_column(JSONB)
    unit: Mapped[str] = mapped_column(String(64))
    dimensions: Mapped[dict[str, str]] = mapped_column(JSONB)
    quantity: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    unit_price: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    price_base: Mapped[int] = mapped_column(Integer)
    tier_above: Mapped[Decimal | None] = mapped_column(Numeric(38, 12))
    tier_up_to: Mapped[Decimal | None] = mapped_column(Numeric(38, 12))
    net_cents: Mapped[int] = mapped_column(BigInteger)
    tax_category: Mapped[str] = mapped_column(String(2))
    tax_percent: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    correction_of: Mapped[str | None] = mapped_column(String(16))
    # Of a charge beside usage: the days it is for, the last one included.
    supplied_from: Mapped[date | None] = mapped_column(Date)
    supplied_until: Mapped[date | None] = mapped_column(Date)

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "invoice_id", "position"),
        ForeignKeyConstraint(
            ["customer_id", "invoice_id"], ["invoice.customer_id", "invoice.invoice_id"], ondelete="RESTRICT"
        ),
    )


class InvoiceTax(Model):
    """What one tax category and rate adds up to on a document."""

    __tablename__ = "invoice_tax"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    position: Mapped[int] = mapped_column(Integer)
    category: Mapped[str] = mapped_column(String(2))
    percent: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    lines_cents: Mapped[int] = mapped_column(BigInteger)
    discount_cents: Mapped[int] = mapped_column(BigInteger)
    taxable_cents: Mapped[int] = mapped_column(BigInteger)
    vat_cents: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "invoice_id", "position"),
        ForeignKeyConstraint(
            ["customer_id", "invoice_id"], ["invoice.customer_id", "invoice.invoice_id"], ondelete="RESTRICT"
        ),
        CheckConstraint("taxable_cents = lines_cents - discount_cents", name="taxable"),
    )


class Allocation(Model):
    """A share of a payment that settled an invoice; below zero where the payment left again.

    Without a payment it is a share of the customer's credits.
    """

    __tablename__ = "allocation"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    allocation_id: Mapped[UUID] = mapped_column(Uuid)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    top_up_id: Mapped[str | None] = mapped_column(String(64))
    amount_micros: Mapped[Micros]
    reference: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "allocation_id"),
        UniqueConstraint("customer_id", "reference"),
        ForeignKeyConstraint(
            ["customer_id", "invoice_id"], ["invoice.customer_id", "invoice.invoice_id"], ondelete="RESTRICT"
        ),
        CheckConstraint("amount_micros <> 0", name="amount_not_zero"),
        Index("ix_allocation_top_up", "customer_id", "top_up_id"),
        Index("ix_allocation_invoice", "customer_id", "invoice_id"),
    )


class InvoiceDocument(Model):
    """The stored bytes of a document: rendered once, never again."""

    __tablename__ = "invoice_document"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(String(16))
    content_type: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "invoice_id", "kind"),
        ForeignKeyConstraint(
            ["customer_id", "invoice_id"], ["invoice.customer_id", "invoice.invoice_id"], ondelete="RESTRICT"
        ),
    )


class HeldDocument(Model):
    """A document whose XML breaks a rule: it is not mailed until an operator has looked at it."""

    __tablename__ = "held_document"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    invoice_id: Mapped[UUID] = mapped_column(Uuid)
    problems: Mapped[list[str]] = mapped_column(JSONB)
    held_at: Mapped[UtcDateTime]
    released_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "invoice_id"),
        ForeignKeyConstraint(
            ["customer_id", "invoice_id"], ["invoice.customer_id", "invoice.invoice_id"], ondelete="RESTRICT"
        ),
        Index("ix_held_document_open", "held_at", postgresql_where=text("released_at IS NULL")),
    )


class InvoiceNumber(Model):
    """Look-up: document number → customer."""

    __tablename__ = "invoice_number"

    number: Mapped[str] = mapped_column(String(32), primary_key=True)
    customer_id: Mapped[int] = mapped_column(BigInteger)


class CloseRun(Model):
    """One run that closes a period, made of chunks of customers."""

    __tablename__ = "close_run"

    run_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    period_start: Mapped[date] = mapped_column(Date)
    created_at: Mapped[UtcDateTime]
    finished_at: Mapped[UtcDateTime | None]

    __table_args__ = (Index("ix_close_run_period_start", "period_start"),)


class CloseChunk(Model):
    """Some customers of a run, closed together. Closing them again is harmless, so a job may run twice."""

    __tablename__ = "close_chunk"

    run_id: Mapped[UUID] = mapped_column(Uuid)
    position: Mapped[int] = mapped_column(Integer)
    customer_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    issued: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    started_at: Mapped[UtcDateTime | None]
    finished_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("run_id", "position"),
        ForeignKeyConstraint(["run_id"], ["close_run.run_id"], ondelete="RESTRICT"),
        Index("ix_close_chunk_open", "run_id", postgresql_where=text("finished_at IS NULL")),
    )


class CloseFailure(Model):
    """A customer whose close failed and why, until it succeeds."""

    __tablename__ = "close_failure"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    period_start: Mapped[date] = mapped_column(Date)
    error: Mapped[str] = mapped_column(Text)
    failed_at: Mapped[UtcDateTime]
    solved_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "period_start"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
    )
