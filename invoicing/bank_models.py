"""Tables of bank transfers: statements that were read, what moved on the account, and who pays from where.

They are the provider's, not one customer's: small, and copied to every node. A movement is never deleted;
what became of it changes, and each change is an event that says who made it.
"""

from datetime import date
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Micros, Model, UtcDateTime


class BankImport(Model):
    """One file that was read: by whom, and how much of it was new."""

    __tablename__ = "bank_import"

    import_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    file_name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    imported_by: Mapped[str] = mapped_column(String(200))
    imported_at: Mapped[UtcDateTime]
    booked: Mapped[int] = mapped_column(Integer)
    duplicates: Mapped[int] = mapped_column(Integer)

    __table_args__ = (Index("ix_bank_import_imported_at", "imported_at"),)


class BankEntry(Model):
    """One movement on our account. `amount_micros` is above zero when money came in."""

    __tablename__ = "bank_entry"

    entry_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    import_id: Mapped[UUID] = mapped_column(Uuid)
    account_iban: Mapped[str] = mapped_column(String(34))
    # The bank's entry, and which of its transactions this is; 0 where it is one payment.
    entry_key: Mapped[str] = mapped_column(String(64))
    part: Mapped[int] = mapped_column(Integer)
    booked_on: Mapped[date] = mapped_column(Date)
    amount_micros: Mapped[Micros]
    reversal: Mapped[bool] = mapped_column(Boolean)
    transactions: Mapped[int] = mapped_column(Integer)
    bank_reference: Mapped[str] = mapped_column(String(140))
    counterparty_iban: Mapped[str] = mapped_column(String(34))
    counterparty_name: Mapped[str] = mapped_column(String(140))
    structured: Mapped[str] = mapped_column(String(140))
    remittance: Mapped[str] = mapped_column(Text)
    end_to_end_id: Mapped[str] = mapped_column(String(140))
    reason_code: Mapped[str] = mapped_column(String(35))
    created_at: Mapped[UtcDateTime]

    # What became of it.
    status: Mapped[str] = mapped_column(String(12))
    rule: Mapped[str | None] = mapped_column(String(24))
    customer_id: Mapped[int | None] = mapped_column(BigInteger)
    invoice_number: Mapped[str | None] = mapped_column(String(32))
    top_up_id: Mapped[str | None] = mapped_column(String(64))
    # Of a reversal: the movement that it takes back.
    original_id: Mapped[UUID | None] = mapped_column(Uuid)
    # How often it was given to somebody: a corrected assignment posts under a reference of its own.
    turns: Mapped[int] = mapped_column(Integer, default=0)
    decided_at: Mapped[UtcDateTime | None]

    __table_args__ = (
        UniqueConstraint("account_iban", "entry_key", "part"),
        ForeignKeyConstraint(["import_id"], ["bank_import.import_id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(["original_id"], ["bank_entry.entry_id"], ondelete="RESTRICT"),
        CheckConstraint("amount_micros <> 0 AND mod(amount_micros, 10000) = 0", name="whole_cents"),
        CheckConstraint(
            "status IN ('new', 'queued', 'matched', 'payout', 'other', 'outgoing', 'returned')", name="status"
        ),
        CheckConstraint("(top_up_id IS NOT NULL) = (status = 'matched')", name="matched_has_payment"),
        Index("ix_bank_entry_import_id", "import_id"),
        Index(
            "ix_bank_entry_open", "status", "created_at", postgresql_where=text("status IN ('new', 'queued')")
        ),
        Index("ix_bank_entry_counterparty_iban", "counterparty_iban", "amount_micros"),
        Index("ix_bank_entry_customer_id", "customer_id"),
        Index("ix_bank_entry_original_id", "original_id"),
    )


class BankEntryEvent(Model):
    """What somebody, or the matching itself, did with a movement. Never changed."""

    __tablename__ = "bank_entry_event"

    entry_id: Mapped[UUID] = mapped_column(Uuid)
    number: Mapped[int] = mapped_column(Integer)
    action: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(200))
    detail: Mapped[str] = mapped_column(String(500))
    happened_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("entry_id", "number"),
        ForeignKeyConstraint(["entry_id"], ["bank_entry.entry_id"], ondelete="RESTRICT"),
    )


class PayerAccount(Model):
    """Look-up: an account that has paid for a customer, learned from the movement named."""

    __tablename__ = "payer_account"

    iban: Mapped[str] = mapped_column(String(34))
    customer_id: Mapped[int] = mapped_column(BigInteger)
    learned_from: Mapped[UUID] = mapped_column(Uuid)
    learned_at: Mapped[UtcDateTime]

    __table_args__ = (PrimaryKeyConstraint("iban", "customer_id"),)
