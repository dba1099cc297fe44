"""Whose money is this? As a table, and whatever a bank does to the text."""

from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from invoicing.bank_matching import (
    Incoming,
    Known,
    Match,
    Moved,
    OpenInvoice,
    Rule,
    clues_of,
    is_payout,
    match,
    original_of,
)
from invoicing.references import ogm_of, reference_of, rf_of, spaced, top_up_reference_of

ACME, BRAVO, CLOSED = 1001, 1002, 1003
ONE = OpenInvoice(number="F2026-000001", customer_id=ACME, outstanding_micros=42_400_000)
TWO = OpenInvoice(number="F2026-000002", customer_id=ACME, outstanding_micros=10_000_000)
THREE = OpenInvoice(number="F2026-000003", customer_id=BRAVO, outstanding_micros=42_400_000)
SETTLED = OpenInvoice(number="F2026-000004", customer_id=ACME, outstanding_micros=0)
INVOICES = {one.number: one for one in (ONE, TWO, THREE, SETTLED)}
RF_ONE, RF_TWO = reference_of(ONE.number, "NL"), reference_of(TWO.number, "NL")
OGM_THREE = reference_of(THREE.number, "BE")
BALANCE = top_up_reference_of(BRAVO)
KNOWN = Known(invoices=INVOICES, customers={ACME, BRAVO})
KNOWS_ACME = Known(invoices=INVOICES, customers={ACME, BRAVO}, payers={ACME}, open_of_payers=(ONE, TWO))
KNOWS_BOTH = Known(
    invoices=INVOICES, customers={ACME, BRAVO}, payers={ACME, BRAVO}, open_of_payers=(ONE, TWO, THREE)
)

TABLE = [
    # Each rule by itself.
    ({"structured": RF_ONE}, KNOWN, (Rule.REFERENCE, ACME, ONE.number)),
    ({"structured": OGM_THREE}, KNOWN, (Rule.REFERENCE, BRAVO, THREE.number)),
    ({"structured": "202600000394"}, KNOWN, (Rule.REFERENCE, BRAVO, THREE.number)),
    ({"structured": BALANCE}, KNOWN, (Rule.BALANCE_REFERENCE, BRAVO, None)),
    ({"text": f"top-up {spaced(BALANCE)}"}, KNOWN, (Rule.BALANCE_REFERENCE, BRAVO, None)),
    ({"text": f"betaling {spaced(RF_ONE)} dank u"}, KNOWN, (Rule.REFERENCE, ACME, ONE.number)),
    ({"text": f"kenmerk {OGM_THREE}"}, KNOWN, (Rule.REFERENCE, BRAVO, THREE.number)),
    ({"text": OGM_THREE.replace("+", "*")}, KNOWN, (Rule.REFERENCE, BRAVO, THREE.number)),
    ({"text": "Factuur F2026-000001"}, KNOWN, (Rule.NUMBER, ACME, ONE.number)),
    ({"text": "factuurnr f2026 000001, oktober"}, KNOWN, (Rule.NUMBER, ACME, ONE.number)),
    ({"text": "F2026000001"}, KNOWN, (Rule.NUMBER, ACME, ONE.number)),
    ({"structured": "F2026-000001"}, KNOWN, (Rule.NUMBER, ACME, ONE.number)),
    ({"end_to_end_id": "INV-F2026-000001"}, KNOWN, (Rule.END_TO_END, ACME, ONE.number)),
    ({"end_to_end_id": RF_ONE}, KNOWN, (Rule.END_TO_END, ACME, ONE.number)),
    ({"text": "oktober"}, KNOWS_ACME, (Rule.ACCOUNT_AND_AMOUNT, ACME, ONE.number)),
    # An earlier rule comes before a later one.
    ({"structured": RF_ONE, "text": "F2026-000003"}, KNOWN, (Rule.REFERENCE, ACME, ONE.number)),
    ({"structured": BALANCE, "text": "F2026-000001"}, KNOWN, (Rule.BALANCE_REFERENCE, BRAVO, None)),
    ({"text": "F2026-000001", "end_to_end_id": "F2026-000003"}, KNOWN, (Rule.NUMBER, ACME, ONE.number)),
    ({"end_to_end_id": "F2026-000003"}, KNOWS_ACME, (Rule.END_TO_END, BRAVO, THREE.number)),
    # Of several of one customer the first that is open; what was paid before is still this customer's.
    ({"text": "F2026-000004 en F2026-000002"}, KNOWN, (Rule.NUMBER, ACME, TWO.number)),
    ({"text": "F2026-000002 F2026-000001"}, KNOWN, (Rule.NUMBER, ACME, TWO.number)),
    ({"text": "F2026-000004"}, KNOWN, (Rule.NUMBER, ACME, SETTLED.number)),
    # What decides nothing.
    ({"text": "F2026-000001 F2026-000003"}, KNOWS_ACME, None),
    ({"text": "F2026-000009"}, KNOWN, None),
    ({"text": "oktober"}, KNOWN, None),
    ({"text": "oktober"}, KNOWS_BOTH, None),
    ({"text": "oktober", "amount_micros": 42_390_000}, KNOWS_ACME, None),
    ({"structured": top_up_reference_of(CLOSED)}, KNOWN, None),
    ({"structured": RF_ONE[:-1] + "2"}, KNOWN, None),
    ({"text": "AF2026-000001"}, KNOWN, None),
    ({"text": "F2026-0000011234"}, KNOWN, None),
    ({"text": "202600000394"}, KNOWN, None),
    ({}, KNOWN, None),
]


@pytest.mark.parametrize(("facts", "known", "expected"), TABLE)
def test_a_payment_goes_where_its_first_clue_points(
    facts: dict[str, str], known: Known, expected: tuple[Rule, int, str | None] | None
) -> None:
    incoming = Incoming(**{"amount_micros": 42_400_000, **facts})  # type: ignore[arg-type]
    assert match(incoming, clues_of(incoming), known) == (Match(*expected) if expected else None)


@given(
    st.integers(2020, 2099),
    st.integers(1, 9_999_999),
    st.sampled_from(["NL", "BE"]),
    st.text(alphabet=" \t", max_size=3),
    st.sampled_from(["", "betaling ", "kenmerk: ", "2026 11 "]),
    st.sampled_from(["", " dank u", " / oktober", ", 42,40"]),
    st.integers(0, 1),
)
def test_a_reference_is_found_however_a_bank_spaces_it(
    year: int, count: int, country: str, gap: str, before: str, after: str, lower: int
) -> None:
    number = f"F{year}-{count:06d}"
    reference = reference_of(number, country)
    shown = reference if reference.startswith("+") else gap.join(spaced(reference).split(" "))
    text = before + (shown.lower() if lower else shown) + after
    assert number in clues_of(Incoming(amount_micros=1, text=text)).references


@given(st.integers(1, 10**15), st.sampled_from(["", " "]), st.sampled_from(["", "tegoed "]))
def test_a_customers_own_reference_is_found(customer_id: int, gap: str, before: str) -> None:
    reference = gap.join(spaced(top_up_reference_of(customer_id)).split(" "))
    assert customer_id in clues_of(Incoming(amount_micros=1, text=before + reference)).customers


@given(st.text(max_size=140), st.text(max_size=35), st.text(max_size=35))
def test_no_text_breaks_the_matching_or_matches_what_does_not_exist(text: str, one: str, two: str) -> None:
    incoming = Incoming(amount_micros=1, text=text, structured=one, end_to_end_id=two)
    assert match(incoming, clues_of(incoming), Known()) is None


@given(st.integers(0, 11), st.sampled_from("0123456789"))
def test_a_mistyped_digit_names_no_other_invoice(position: int, digit: str) -> None:
    for reference in (rf_of("F2026000001"), ogm_of("2026000001").replace("+", "").replace("/", "")):
        place = len(reference) - 1 - position
        assume(reference[place].isdigit() and reference[place] != digit)
        mistyped = reference[:place] + digit + reference[place + 1 :]
        assert clues_of(Incoming(amount_micros=1, structured=mistyped)).references == ()


def test_only_the_payment_provider_pays_out() -> None:
    nothing, named = clues_of(Incoming(amount_micros=1)), clues_of(Incoming(amount_micros=1, text=RF_ONE))
    assert is_payout("STICHTING MOLLIE  PAYMENTS", nothing, ["Stichting Mollie Payments"])
    assert not is_payout("Mollie Jansen", nothing, ["Stichting Mollie Payments", "Mollie"])
    assert not is_payout("Stichting Mollie Payments", named, ["Stichting Mollie Payments"])
    assert not is_payout("", nothing, [""])


def moved(n: int, *, end_to_end: str = "", reference: str = "", iban: str = "", text: str = "") -> Moved:
    return Moved(
        entry_id=UUID(int=n), end_to_end_id=end_to_end, bank_reference=reference, iban=iban, text=text
    )


def test_a_reversal_takes_back_the_one_payment_that_it_resembles() -> None:
    payments = [
        moved(1, end_to_end="A", iban="NL1", text="x"),
        moved(2, end_to_end="B", iban="NL1", text="y"),
        moved(3, iban="NL2"),
    ]
    assert original_of(moved(9, end_to_end="B", iban="NL1"), payments) == UUID(int=2)
    assert original_of(moved(9, iban="NL2"), payments) == UUID(int=3)
    assert original_of(moved(9, iban="NL1", text="x"), payments) == UUID(int=1)
    assert original_of(moved(9, iban="NL1"), payments) is None
    assert original_of(moved(9), payments) is None
    assert original_of(moved(9, end_to_end="C", iban="NL3"), payments) is None
    assert original_of(moved(9, reference="R"), [moved(1, reference="R"), moved(2)]) == UUID(int=1)
    assert (
        original_of(Moved(entry_id=uuid4(), end_to_end_id="A", bank_reference="", iban="", text=""), [])
        is None
    )
