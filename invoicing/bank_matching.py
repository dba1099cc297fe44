"""Whose money is this? What a bank transfer names, and what that means among what is known. Pure.

In order: a payment reference (RF, or Belgian) names an invoice, or a customer's balance; then an invoice's
number in the text; then one in the payer's own reference (EndToEndId); then a known account that pays exactly
what is open on an invoice. Clues of one kind that point to different customers decide nothing.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

from app.document_names import REQUEST_PATTERN
from invoicing.references import customer_id_of, invoice_number_of

T = TypeVar("T")
_RF_START: Final = re.compile(r"RF\s?\d", re.IGNORECASE)
_GROUPS: Final = re.compile(r"[0-9A-Z]+")
_RF_LENGTH: Final = 25
_RF_INSIDE: Final = re.compile(rf"RF\d{{2}}(?:B{REQUEST_PATTERN}|[A-Z]{{1,4}}\d{{1,20}})")
_OGM: Final = re.compile(r"(?<!\d)\d{3}\s?/\s?\d{4}\s?/\s?\d{5}(?!\d)")
_NUMBER: Final = re.compile(r"(?<![0-9A-Z])([A-Z]{1,4})\s?(\d{4})\s?[-–—/.]?\s?(\d{6,})(?!\d)", re.IGNORECASE)

_REQUEST: Final = re.compile(rf"(?<![0-9A-Z])B\s?[-–—]\s?({REQUEST_PATTERN})(?![0-9A-Z])", re.IGNORECASE)


class Rule(StrEnum):
    """How a payment was matched; the order is the order in which rules are tried."""

    REFERENCE = "reference"
    BALANCE_REFERENCE = "balance_reference"
    NUMBER = "number"
    END_TO_END = "end_to_end"
    ACCOUNT_AND_AMOUNT = "account_and_amount"
    # Given by a person, or recognised without being a customer's.
    OPERATOR = "operator"
    PAYOUT = "payout"
    REVERSAL = "reversal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A credit on our account as the bank tells it. The amount is in micros."""

    amount_micros: int
    structured: str = ""
    text: str = ""
    end_to_end_id: str = ""
    iban: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInvoice:
    """An invoice and what is still to be paid of it, in micros; `names`: all that payments may call it."""

    number: str
    customer_id: int
    outstanding_micros: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clues:
    """What a payment names, whether or not it exists; each in the order it was found."""

    references: tuple[str, ...] = ()
    customers: tuple[int, ...] = ()
    numbers: tuple[str, ...] = ()
    end_to_end: tuple[str, ...] = ()

    @property
    def all_numbers(self) -> frozenset[str]:
        return frozenset((*self.references, *self.numbers, *self.end_to_end))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What exists of the clues. `payers` are the customers whom the payer's account has paid for before."""

    invoices: Mapping[str, OpenInvoice] = field(default_factory=dict)
    customers: Collection[int] = ()
    payers: Collection[int] = ()
    open_of_payers: tuple[OpenInvoice, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """Whose payment it is and for which invoice; without one it is for the balance."""

    rule: Rule
    customer_id: int
    invoice_number: str | None


def clues_of(incoming: Incoming) -> Clues:
    """Everything that a payment could name."""
    named = tuple(_references(incoming.structured, incoming.text))
    in_end_to_end = tuple(_references(incoming.end_to_end_id))
    return Clues(
        references=_once(number for one in named if (number := invoice_number_of(one))),
        customers=_once(customer for one in named if (customer := customer_id_of(one))),
        numbers=_once(_numbers(f"{incoming.structured} {incoming.text}")),
        end_to_end=_once(
            (
                *(n for one in in_end_to_end if (n := invoice_number_of(one))),
                *_numbers(incoming.end_to_end_id),
            )
        ),
    )


def match(incoming: Incoming, clues: Clues, known: Known) -> Match | None:
    """The first rule that names one customer; None where none does, or one names several."""
    for rule, numbers in ((Rule.REFERENCE, clues.references), (Rule.BALANCE_REFERENCE, ()),
                          (Rule.NUMBER, clues.numbers), (Rule.END_TO_END, clues.end_to_end)):  # fmt: skip
        if rule is Rule.BALANCE_REFERENCE:
            found = [
                Match(rule, customer, None) for customer in clues.customers if customer in known.customers
            ]
        else:
            found = [
                Match(rule, known.invoices[number].customer_id, number)
                for number in numbers
                if number in known.invoices
            ]
        if found:
            return _preferred(found, known) if len({one.customer_id for one in found}) == 1 else None
    return _by_account(incoming, known)


def is_payout(name: str, reference_clues: Clues, payers: Iterable[str]) -> bool:
    """Whether the payment provider pays out: its account bears its name, and nothing of ours is named."""
    compact = _plain(name)
    is_provider = any(compact and compact == _plain(payer) for payer in payers)
    return is_provider and not (reference_clues.references or reference_clues.customers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An earlier credit of the same amount, or the reversal that may take it back."""

    entry_id: UUID
    end_to_end_id: str
    bank_reference: str
    iban: str
    text: str


def original_of(reversal: Moved, of_its_amount: Iterable[Moved]) -> UUID | None:
    """Which credit a reversal takes back: the one that bears the first of its marks that any of them bears.

    None where none does, or several.
    """
    earlier = list(of_its_amount)
    for mark in ("bank_reference", "end_to_end_id", "iban"):
        value = getattr(reversal, mark)
        alike = [one for one in earlier if value and getattr(one, mark) == value]
        if len(alike) > 1 and reversal.text:
            alike = [one for one in alike if one.text == reversal.text] or alike
        if alike:
            return alike[0].entry_id if len(alike) == 1 else None
    return None


def _preferred(found: list[Match], known: Known) -> Match:
    """Of several invoices of one customer the first that is open: what is left settles the others by age."""
    still_open = (
        one
        for one in found
        if one.invoice_number is not None and known.invoices[one.invoice_number].outstanding_micros > 0
    )
    return next(still_open, found[0])


def _by_account(incoming: Incoming, known: Known) -> Match | None:
    exact = [one for one in known.open_of_payers if one.outstanding_micros == incoming.amount_micros]
    if len({one.customer_id for one in exact}) != 1:
        return None
    return Match(Rule.ACCOUNT_AND_AMOUNT, exact[0].customer_id, exact[0].number)


def _references(*texts: str) -> Iterator[str]:
    """Texts that may be payment references, however they are spaced; most are not, their digits tell."""
    for text in texts:
        capitals = text.upper()
        if text is texts[0]:
            yield text
        for start in (found.start() for found in _RF_START.finditer(capitals)):
            yield from _from_groups(capitals[start:])
        yield from _RF_INSIDE.findall(re.sub(r"\s", "", capitals))
        yield from _OGM.findall(capitals)


def _from_groups(text: str) -> Iterator[str]:
    """What begins here, longer by one group of letters and digits at a time."""
    compact = ""
    for group in _GROUPS.findall(text):
        compact += group
        if len(compact) > _RF_LENGTH:
            return
        yield compact


def _numbers(text: str) -> Iterator[str]:
    for prefix, year, digits in _NUMBER.findall(text):
        yield f"{prefix.upper()}{year}-{digits}"
    for name in _REQUEST.findall(text):
        yield f"B-{name.upper()}"


def _once(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _plain(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())
