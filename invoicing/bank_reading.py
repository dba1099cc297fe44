"""Reading bank transfers: what a run did, what is known of a payer, what a reversal takes back."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from app.customers.service import get_customers
from app.db import db
from invoicing.bank_booking import UnknownEntry
from invoicing.bank_matching import Clues, Incoming, Known, Moved, OpenInvoice
from invoicing.bank_models import BankEntry, BankImport, PayerAccount
from invoicing.models import INVOICE, Invoice, InvoiceNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did: movements that were new and what became of them, and those that were known."""

    import_id: UUID
    file_name: str
    booked: int
    duplicates: int
    by_status: dict[str, int]

    @property
    def matched(self) -> int:
        return self.by_status.get("matched", 0)

    @property
    def queued(self) -> int:
        return self.by_status.get("queued", 0)

    @property
    def waiting(self) -> int:
        """Not looked at yet."""
        return self.by_status.get("new", 0)

    @property
    def others(self) -> int:
        """Payouts, our own payments, what an operator set aside, what was reversed before it was matched."""
        return sum(self.by_status.values()) - self.matched - self.queued - self.waiting


def report(import_id: UUID) -> Report:
    """Raises UnknownEntry."""
    run = db.session.get(BankImport, import_id)
    if run is None:
        raise UnknownEntry
    return reports([run])[0]


def reports(runs: Iterable[BankImport]) -> list[Report]:
    """In two statements at most, however many runs."""
    runs = list(runs)
    rows = db.session.execute(
        select(BankEntry.import_id, BankEntry.status, func.count())
        .where(BankEntry.import_id.in_([run.import_id for run in runs]))
        .group_by(BankEntry.import_id, BankEntry.status)
    ).all()
    return [
        Report(
            import_id=run.import_id,
            file_name=run.file_name,
            booked=run.booked,
            duplicates=run.duplicates,
            by_status={status: count for owner, status, count in rows if owner == run.import_id},
        )
        for run in runs
    ]


def latest_runs(limit: int = 20) -> list[BankImport]:
    return list(db.session.scalars(select(BankImport).order_by(BankImport.imported_at.desc()).limit(limit)))


def incoming_of(entry: BankEntry) -> Incoming:
    return Incoming(
        amount_micros=entry.amount_micros,
        structured=entry.structured,
        text=entry.remittance,
        end_to_end_id=entry.end_to_end_id,
        iban=entry.counterparty_iban,
        name=entry.counterparty_name,
    )


def known_of(clues: Iterable[Clues], ibans: Iterable[str]) -> dict[str, Known]:
    """What exists of these clues, by the payer's account ("" for those without): three statements."""
    clues = list(clues)
    numbers = {number for one in clues for number in one.all_numbers}
    owners = db.session.execute(
        select(InvoiceNumber.number, InvoiceNumber.customer_id).where(InvoiceNumber.number.in_(numbers))
    ).all()
    wanted = sorted({iban for iban in ibans if iban})
    payers: dict[str, set[int]] = {iban: set() for iban in wanted}
    for iban, customer_id in db.session.execute(
        select(PayerAccount.iban, PayerAccount.customer_id).where(PayerAccount.iban.in_(wanted))
    ):
        payers[iban].add(customer_id)
    named = {row.customer_id for row in owners}
    paying = {customer_id for ids in payers.values() for customer_id in ids}
    customers = get_customers({customer for one in clues for customer in one.customers})
    invoices = _invoices(named, {row.number for row in owners}, paying)
    return {
        iban: Known(
            invoices={one.number: one for one in invoices if one.number in numbers},
            customers=frozenset(key for key, one in customers.items() if one.status == "active"),
            payers=frozenset(payers.get(iban, ())),
            open_of_payers=tuple(
                one
                for one in invoices
                if one.outstanding_micros > 0 and one.customer_id in payers.get(iban, ())
            ),
        )
        for iban in ("", *wanted)
    }


def _invoices(named: set[int], numbers: set[str], paying: set[int]) -> list[OpenInvoice]:
    """Invoices that are named, and all open ones of customers whose account pays; the oldest first."""
    is_open = Invoice.settled_micros < Invoice.due_cents * 10_000
    rows = db.session.scalars(
        select(Invoice)
        .where(
            Invoice.kind == INVOICE,
            (Invoice.customer_id.in_(named) & Invoice.number.in_(numbers))
            | (Invoice.customer_id.in_(paying) & is_open),
        )
        .order_by(Invoice.issued_at, Invoice.number)
    )
    return [OpenInvoice(number=i.number, customer_id=i.customer_id, outstanding_micros=i.outstanding_micros)
            for i in rows]  # fmt: skip


def originals(entry: BankEntry) -> list[BankEntry]:
    """Credits of the amount that a reversal takes back, which have not been taken back."""
    taken = select(BankEntry.original_id).where(
        BankEntry.original_id.is_not(None), BankEntry.status.in_(("matched", "returned"))
    )
    return list(
        db.session.scalars(
            select(BankEntry)
            .where(
                BankEntry.account_iban == entry.account_iban,
                BankEntry.amount_micros == -entry.amount_micros,
                BankEntry.booked_on <= entry.booked_on,
                BankEntry.status.in_(("matched", "queued", "new")),
                BankEntry.entry_id.not_in(taken),
            )
            .order_by(BankEntry.booked_on.desc(), BankEntry.entry_id)
            .limit(100)
        )
    )


def moved_of(entry: BankEntry) -> Moved:
    return Moved(
        entry_id=entry.entry_id,
        end_to_end_id=entry.end_to_end_id,
        bank_reference=entry.bank_reference,
        iban=entry.counterparty_iban,
        text=entry.remittance,
    )
