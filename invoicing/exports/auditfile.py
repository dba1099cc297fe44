"""The journal as XML Auditfile Financieel 3.2, which Dutch bookkeeping packages and the tax office read.

One file covers days of one calendar year, which is its financial year.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from lxml import etree

from app.config import Provider
from app.ledger.sides import Side
from invoicing.exports.accounts import Account
from invoicing.exports.journal import Entry
from invoicing.exports.tables import amount

NAMESPACE: Final = "http://www.auditfiles.nl/XAF/3.2"
Element = Any  # lxml ships no types


def auditfile(
    entries: Sequence[Entry],
    accounts: Mapping[Side, Account],
    provider: Provider,
    *,
    start: date,
    end: date,
    created: date,
) -> bytes:
    """The file of the days from `start` to `end`, both included. Raises ValueError across years."""
    if start.year != end.year or start > end:
        raise ValueError("an audit file covers days of one year")
    root = etree.Element(f"{{{NAMESPACE}}}auditfile", nsmap={None: NAMESPACE})
    header = _add(root, "header")
    for name, value in (
        ("fiscalYear", start.year),
        ("startDate", start),
        ("endDate", end),
        ("curCode", "EUR"),
        ("dateCreated", created),
        ("softwareDesc", "Tegoed"),
        ("softwareVersion", "1"),
    ):
        _add(header, name, value)
    company = _add(root, "company")
    _add(company, "companyIdent", provider.kvk_number)
    _add(company, "companyName", provider.legal_name)
    _add(company, "taxRegistrationCountry", provider.country)
    _add(company, "taxRegIdent", provider.vat_number)
    _add(company, "customersSuppliers")
    _ledger(company, accounts)
    _periods(company, start, end)
    _transactions(company, entries, accounts)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _add(parent: Element, name: str, text: object = None) -> Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if text is not None:
        child.text = str(text)
    return child


def _ledger(company: Element, accounts: Mapping[Side, Account]) -> None:
    ledger = _add(company, "generalLedger")
    for account in sorted(set(accounts.values()), key=lambda one: one.code):
        element = _add(ledger, "ledgerAccount")
        _add(element, "accID", account.code)
        _add(element, "accDesc", account.name)
        _add(element, "accTp", account.type)


def _periods(company: Element, start: date, end: date) -> None:
    periods = _add(company, "periods")
    for month in range(start.month, end.month + 1):
        first = start.replace(month=month, day=1)
        after = date(first.year + month // 12, month % 12 + 1, 1)
        element = _add(periods, "period")
        _add(element, "periodNumber", month)
        _add(element, "periodDesc", f"{first:%Y-%m}")
        _add(element, "startDatePeriod", first)
        _add(element, "endDatePeriod", date.fromordinal(after.toordinal() - 1))


def _transactions(company: Element, entries: Sequence[Entry], accounts: Mapping[Side, Account]) -> None:
    transactions = _add(company, "transactions")
    total = amount(sum(entry.cents for entry in entries))
    _add(transactions, "linesCount", 2 * len(entries))
    _add(transactions, "totalDebit", total)
    _add(transactions, "totalCredit", total)
    journal = _add(transactions, "journal")
    _add(journal, "jrnID", "TEGOED")
    _add(journal, "desc", "Tegoed")
    _add(journal, "jrnTp", "M")
    for entry in entries:
        transaction = _add(journal, "transaction")
        _add(transaction, "nr", entry.number)
        _add(transaction, "desc", entry.kind)
        _add(transaction, "periodNumber", entry.day.month)
        _add(transaction, "trDt", entry.day)
        sides = ((entry.debit, "D"), (entry.credit, "C"))
        for position, (side, type_) in enumerate(sides, start=1):
            line = _add(transaction, "trLine")
            _add(line, "nr", position)
            _add(line, "accID", accounts[side].code)
            _add(line, "docRef", f"{entry.kind}-{entry.day:%Y%m%d}")
            _add(line, "effDate", entry.day)
            _add(line, "desc", entry.kind)
            _add(line, "amnt", amount(entry.cents))
            _add(line, "amntTp", type_)
