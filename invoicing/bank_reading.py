"""Reading bank transfers: what a run did, what is known of a payer, what a reversal takes back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, func, literal, select, union_all

from app.customers.service import get_customers
from app.db import db
from invoicing.bank_booking import UnknownEntry
from invoicing.bank_matching import Clues, Incoming, Known, Moved, OpenInvoice
from invoicing.bank_models import BankEntry, BankImport, PayerAccount
from invoicing.models import INVOICE, UNPAID, Invoice, InvoiceNumber, is_named


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
    found = _runs(select(BankImport.import_id).where(BankImport.import_id == import_id))
    if not found:
        raise UnknownEntry
    return found[0][1]


def latest_runs(limit: int) -> list[tuple[BankImport, Report]]:
    """The newest first, in one statement."""
    newest = select(BankImport.import_id).order_by(BankImport.imported_at.desc()).limit(limit)
    return _runs(newest)


def _runs(wanted: Select[UUID]) -> list[tuple[BankImport, Report]]:
    rows = db.session.execute(
        select(BankImport, BankEntry.status, func.count().label("entries"))
        .outerjoin(BankEntry, BankEntry.import_id == BankImport.import_id)
        .where(BankImport.import_id.in_(wanted))
        .group_by(BankImport.import_id, BankEntry.status)
        .order_by(BankImport.imported_at.desc(), BankImport.import_id)
    ).all()
    runs = dict.fromkeys(row.BankImport for row in rows)
    counts = {
        run: {row.status: row.entries for row in rows if row.BankImport is run and row.status} for run in runs
    }
    return [
        (
            run,
            Report(
                import_id=run.import_id,
                file_name=run.file_name,
                booked=run.booked,
                duplicates=run.duplicates,
                by_status=counts[run],
            ),
        )
        for run in runs
    ]


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
    """What exists of these clues, by the payer's account ("" for those without): three statements at most."""
    clues = list(clues)
    numbers = {number for one in clues for number in one.all_numbers}
    wanted = sorted({iban for iban in ibans if iban})
    payers: dict[str, set[int]] = {iban: set() for iban in wanted}
    owners: dict[str, int] = {}
    for iban, number, customer_id in _owners(numbers, wanted):
        if iban:
            payers[iban].add(customer_id)
        else:
            owners[number] = customer_id
    paying = {customer_id for ids in payers.values() for customer_id in ids}
    named = {customer for one in clues for customer in one.customers}
    customers = get_customers(named) if named else {}
    invoices = _invoices(owners, paying) if owners or paying else []
    return {
        iban: Known(
            invoices={name: one for one in invoices for name in one.names if name in owners},
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


def _owners(numbers: set[str], ibans: list[str]) -> list[tuple[str, str, int]]:
    """(account, "", customer) and ("", document number, customer), from the two look-up tables at once."""
    if not numbers and not ibans:
        return []
    none = literal("")
    accounts = select(PayerAccount.iban, none, PayerAccount.customer_id).where(PayerAccount.iban.in_(ibans))
    documents = select(none, InvoiceNumber.number, InvoiceNumber.customer_id).where(
        InvoiceNumber.number.in_(numbers)
    )
    return [
        (iban, number, owner) for iban, number, owner in db.session.execute(union_all(accounts, documents))
    ]


def _invoices(owners: Mapping[str, int], paying: set[int]) -> list[OpenInvoice]:
    """Invoices that are named, and all open ones of customers whose account pays; the oldest first."""
    named = Invoice.customer_id.in_(set(owners.values())) & is_named(owners)
    rows = db.session.scalars(
        select(Invoice)
        .where(Invoice.kind == INVOICE, named | (Invoice.customer_id.in_(paying) & UNPAID))
        .order_by(Invoice.issued_at, Invoice.number)
    )
    return [open_invoice_of(invoice) for invoice in rows]


def open_invoice_of(invoice: Invoice) -> OpenInvoice:
    return OpenInvoice(
        number=invoice.number,
        customer_id=invoice.customer_id,
        outstanding_micros=invoice.outstanding_micros,
        names=invoice.names,
    )


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


def larger_originals(entry: BankEntry, limit: int) -> list[tuple[BankEntry, int]]:
    """Matched credits of which a reversal may take back a part, and what is left of each in micros.

    Those of the same payer first.
    """
    taken = (
        select(BankEntry.original_id, func.sum(-BankEntry.amount_micros).label("micros"))
        .where(BankEntry.original_id.is_not(None), BankEntry.status.in_(("matched", "returned")))
        .group_by(BankEntry.original_id)
        .subquery()
    )
    left = BankEntry.amount_micros - func.coalesce(taken.c.micros, 0)
    rows = db.session.execute(
        select(BankEntry, left)
        .outerjoin(taken, taken.c.original_id == BankEntry.entry_id)
        .where(
            BankEntry.account_iban == entry.account_iban,
            BankEntry.amount_micros > -entry.amount_micros,
            left >= -entry.amount_micros,
            BankEntry.booked_on <= entry.booked_on,
            BankEntry.status == "matched",
        )
        .order_by(
            (BankEntry.counterparty_iban == entry.counterparty_iban).desc(),
            BankEntry.booked_on.desc(),
            BankEntry.entry_id,
        )
        .limit(limit)
    )
    return [(row[0], int(row[1])) for row in rows]


def moved_of(entry: BankEntry) -> Moved:
    return Moved(
        entry_id=entry.entry_id,
        end_to_end_id=entry.end_to_end_id,
        bank_reference=entry.bank_reference,
        iban=entry.counterparty_iban,
        text=entry.remittance,
    )
