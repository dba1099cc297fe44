"""Bank statements as CAMT.053, of any version and namespace: what moved on an account. Pure.

Amounts are Decimals of the file, turned into whole cents. Entries that are still pending are left out. A
batch becomes one movement per transaction where these add up to the entry, else it stays whole, for a person.
What makes a movement itself is its `key`: a file read twice, or one that overlaps another, gives the same
keys, and so do two statements of one file; the parts of one entry share its key and count from 1.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from lxml import etree

MAX_BYTES: Final = 20 * 1024 * 1024
MAX_CENTS: Final = 10**13
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{1,30}")
_BOOKED: Final = "BOOK"
_TEXT_LENGTH: Final = 1000
# What stands in the field where a bank has no reference to give.
_NO_REFERENCE: Final = frozenset({"", "NONREF", "NOTREF", "NOTPROVIDED"})
Element = Any  # lxml ships no types


class NotAStatement(ValueError):
    """The file is no CAMT.053 statement that can be read; `why` is a sentence for who sent it."""

    def __init__(self, why: LazyString) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One payment on the account. `amount_cents` is above zero when money came in.

    `key` and `part` are the same however often the movement is read. `structured` is a reference that the
    bank has checked, `text` what the payer wrote; a `reversal` takes back, or gives back, an earlier payment.
    """

    key: str
    part: int
    booked_on: date
    amount_cents: int
    reversal: bool
    bank_reference: str
    counterparty_iban: str
    counterparty_name: str
    structured: str
    text: str
    end_to_end_id: str
    reason_code: str
    transactions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The movements of one account in a file, in their order."""

    iban: str
    currency: str
    movements: tuple[Movement, ...]


def parse(content: bytes) -> tuple[Statement, ...]:
    """The statements of a file. Raises NotAStatement.

    No entity is expanded, no DTD read and nothing fetched; a file that declares a document type is refused.
    """
    if len(content) > MAX_BYTES:
        raise NotAStatement(
            lazy_gettext("The file is larger than %(most)s MB.", most=MAX_BYTES // 1024 // 1024)
        )
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotAStatement(lazy_gettext("The file is not well-formed XML.")) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise NotAStatement(lazy_gettext("The file declares a document type, which no bank does."))
    document = root if _name(root) == "BkToCstmrStmt" else _child(root, "BkToCstmrStmt")
    if document is None:
        raise NotAStatement(lazy_gettext("The file is not a CAMT.053 bank statement."))
    statements = tuple(_statements(document))
    if not statements:
        raise NotAStatement(lazy_gettext("The file holds no statement."))
    return statements


def _statements(document: Element) -> Iterator[Statement]:
    """Each statement once, though a file may repeat it.

    Equal payments are counted within one statement: two statements of a file may overlap as two files may.
    """
    seen: set[bytes] = set()
    for statement in _children(document, "Stmt"):
        digest = hashlib.sha256(etree.tostring(statement, method="c14n")).digest()
        if digest in seen:
            continue
        seen.add(digest)
        iban = compact_iban(_text(statement, "Acct/Id/IBAN"))
        if not iban:
            raise NotAStatement(lazy_gettext("A statement does not name the IBAN of its account."))
        entries = [entry for entry in _children(statement, "Ntry") if _is_booked(entry)]
        alike: Counter[str] = Counter()
        movements = [one for entry in entries for one in _movements(entry, iban, alike)]
        currencies = {_required(entry, "Amt").get("Ccy") or "" for entry in entries}
        if len(currencies) > 1:
            raise NotAStatement(lazy_gettext("An account has entries in several currencies."))
        currency = next(iter(currencies), "") or _text(statement, "Acct/Ccy")
        yield Statement(iban=iban, currency=currency, movements=tuple(movements))


def _is_booked(entry: Element) -> bool:
    """Booked, as `<Sts>BOOK</Sts>` until version 7 and `<Sts><Cd>BOOK</Cd></Sts>` after."""
    status = _text(entry, "Sts/Cd") or _text(entry, "Sts") or _BOOKED
    return status == _BOOKED


def _movements(entry: Element, own_iban: str, alike: Counter[str]) -> list[Movement]:
    amount_cents = _cents(_required(entry, "Amt")) * _sign(_required(entry, "CdtDbtInd").text)
    if amount_cents == 0:
        return []
    details = [tx for group in _children(entry, "NtryDtls") for tx in _children(group, "TxDtls")]
    shares = _shares(entry, details, amount_cents)
    key = _key(entry, details, amount_cents, alike)
    if shares is None or len(shares) == 1:
        return [_movement(entry, details, amount_cents, (key, 0), own_iban)]
    parts = enumerate(zip(details, shares, strict=True), start=1)
    return [_movement(entry, [tx], cents, (key, number), own_iban) for number, (tx, cents) in parts if cents]


def _shares(entry: Element, details: list[Element], amount_cents: int) -> list[int] | None:
    """What each transaction moved, when they add up to the entry; None when it cannot be split."""
    if len(details) == 1:
        return [amount_cents]
    currency = _required(entry, "Amt").get("Ccy")
    shares = []
    for tx in details:
        amount = _child(tx, "Amt")
        if amount is None:
            amount = _find(tx, "AmtDtls/TxAmt/Amt")
        if amount is None or amount.get("Ccy") != currency:
            return None
        shares.append(_cents(amount) * _sign(_text(tx, "CdtDbtInd") or _text(entry, "CdtDbtInd")))
    return shares if shares and sum(shares) == amount_cents else None


def _movement(
    entry: Element, txs: list[Element], cents: int, key: tuple[str, int], own_iban: str
) -> Movement:
    """One payment; of several transactions that cannot be told apart, their texts together."""
    single = txs[0] if len(txs) == 1 else None
    party = _other_side(single, cents, own_iban)
    return Movement(
        key=key[0],
        part=key[1],
        booked_on=_day(entry),
        amount_cents=cents,
        reversal=_is_reversal(entry, txs),
        bank_reference=(_text(entry, "AcctSvcrRef") or _text(entry, "NtryRef"))[:140],
        counterparty_iban=_iban_of(single, party),
        counterparty_name=_name_of(single, party),
        structured=_text(single, "RmtInf/Strd/CdtrRefInf/Ref")[:140],
        text=_remittance(entry, txs)[:_TEXT_LENGTH],
        end_to_end_id=_end_to_end(single),
        reason_code=(_text(single, "RtrInf/Rsn/Cd") or _text(single, "RtrInf/Rsn/Prtry"))[:35],
        transactions=max(1, len(txs)),
    )


def _key(entry: Element, txs: list[Element], cents: int, alike: Counter[str]) -> str:
    """What makes an entry itself, in this statement and in any other.

    The bank's own reference counts together with day and amount, for some banks number anew each day. The
    sender's reference and the whole content stand in where there is none; not the entry's own number, which
    some banks give it anew in each statement. The first, the second and so on of equal entries in a
    statement are told apart, for a bank may also repeat the reference of a batch.
    """
    moved = (_day(entry).isoformat(), str(cents), str(_is_reversal(entry, txs)))
    bank_reference = _text(entry, "AcctSvcrRef")
    if bank_reference.upper() not in _NO_REFERENCE:
        same = f"ref-{_digest(bank_reference, *moved)}"
    else:
        content = [_remittance(entry, txs)]
        for tx in txs:
            for party in ("Dbtr", "Cdtr"):
                content += [_iban_of(tx, party), _name_of(tx, party)]
            content += [_end_to_end(tx), _text(tx, "RmtInf/Strd/CdtrRefInf/Ref")]
        same = f"txt-{_digest(*moved, *content)}"
    alike[same] += 1
    return f"{same}-{alike[same]}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]


def _is_reversal(entry: Element, txs: list[Element]) -> bool:
    return _text(entry, "RvslInd") in {"true", "1"} or any(_child(tx, "RtrInf") is not None for tx in txs)


def _remittance(entry: Element, txs: list[Element]) -> str:
    texts = [text for tx in txs for text in _texts(tx, "RmtInf/Ustrd")]
    return " ".join(texts) or _text(entry, "AddtlNtryInf")


def compact_iban(text: str) -> str:
    """An IBAN without spaces in capitals; empty for what has not the shape of one."""
    compact = re.sub(r"\s", "", text).upper()
    return compact if _IBAN.fullmatch(compact) else ""


def _end_to_end(tx: Element | None) -> str:
    given = _text(tx, "Refs/EndToEndId")
    return "" if given == "NOTPROVIDED" else given[:140]


def _other_side(tx: Element | None, cents: int, own_iban: str) -> str:
    """Who paid or was paid. A reversal may keep the roles of the payment that it takes back."""
    expected, other = ("Dbtr", "Cdtr") if cents > 0 else ("Cdtr", "Dbtr")
    is_ours = _iban_of(tx, expected) == own_iban
    return other if is_ours or (not _iban_of(tx, expected) and not _name_of(tx, expected)) else expected


def _iban_of(tx: Element | None, party: str) -> str:
    return compact_iban(_text(tx, f"RltdPties/{party}Acct/Id/IBAN"))


def _name_of(tx: Element | None, party: str) -> str:
    """The other side's name, which moved into `<Pty>` in version 8."""
    return (_text(tx, f"RltdPties/{party}/Nm") or _text(tx, f"RltdPties/{party}/Pty/Nm"))[:140]


def _day(entry: Element) -> date:
    text = _text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm") or _text(entry, "ValDt/Dt")
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise NotAStatement(lazy_gettext("An entry has no booking date.")) from error


def _cents(amount: Element) -> int:
    try:
        value = Decimal((amount.text or "").strip())
        cents = value * 100
        if not value.is_finite() or value < 0 or cents != cents.to_integral_value() or cents > MAX_CENTS:
            raise NotAStatement(lazy_gettext("An entry has no amount in whole cents."))
    except InvalidOperation as error:
        raise NotAStatement(lazy_gettext("An entry has no amount in whole cents.")) from error
    return int(cents)


def _sign(indicator: str | None) -> int:
    signs = {"CRDT": 1, "DBIT": -1}
    if indicator is None or indicator.strip() not in signs:
        raise NotAStatement(lazy_gettext("An entry says neither credit nor debit."))
    return signs[indicator.strip()]


def _name(element: Element) -> str:
    """The tag without its namespace; comments and instructions have none."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _children(parent: Element, name: str) -> list[Element]:
    return [child for child in parent if _name(child) == name]


def _child(parent: Element, name: str) -> Element | None:
    return next(iter(_children(parent, name)), None)


def _find(parent: Element | None, path: str) -> Element | None:
    for name in path.split("/"):
        if parent is None:
            return None
        parent = _child(parent, name)
    return parent


def _required(parent: Element, name: str) -> Element:
    found = _child(parent, name)
    if found is None:
        raise NotAStatement(lazy_gettext("An entry lacks its %(name)s.", name=name))
    return found


def _text(parent: Element | None, path: str) -> str:
    found = _find(parent, path)
    return " ".join((found.text or "").split()) if found is not None else ""


def _texts(parent: Element, path: str) -> list[str]:
    """All texts at a path whose last step may repeat."""
    *above, last = path.split("/")
    holder = _find(parent, "/".join(above))
    found = [] if holder is None else _children(holder, last)
    return [" ".join((one.text or "").split()) for one in found if (one.text or "").strip()]
