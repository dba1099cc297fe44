"""Structured references: right check digits, and the way back from what a bank statement says."""

from hypothesis import given
from hypothesis import strategies as st
from stdnum import iso11649

from invoicing.references import (
    customer_id_of,
    invoice_number_of,
    reference_of,
    spaced,
    top_up_reference_of,
)

numbers = st.builds("F{}-{:06d}".format, st.integers(2020, 2099), st.integers(1, 99_999_999))


@given(numbers)
def test_an_rf_reference_is_valid_and_leads_back_to_its_invoice(number: str) -> None:
    reference = reference_of(number, "NL")
    assert iso11649.is_valid(reference)
    assert invoice_number_of(reference) == number
    assert invoice_number_of(spaced(reference).lower()) == number


@given(st.integers(1, 999_999))
def test_a_belgian_reference_leads_back_to_its_invoice(position: int) -> None:
    number = f"F2026-{position:06d}"
    reference = reference_of(number, "BE")
    digits = "".join(filter(str.isdigit, reference))
    assert len(reference) == 20
    assert int(digits[:10]) % 97 in {int(digits[10:]), int(digits[10:]) - 97}
    assert invoice_number_of(reference) == number
    assert invoice_number_of(digits) == number


@given(numbers, st.integers(4, 10), st.integers(1, 9))
def test_a_mistyped_digit_is_found_out(number: str, position: int, more: int) -> None:
    reference = reference_of(number, "NL")
    if not reference[position].isdigit():
        return
    wrong = str((int(reference[position]) + more) % 10)
    assert invoice_number_of(reference[:position] + wrong + reference[position + 1 :]) is None


def test_the_known_examples() -> None:
    assert reference_of("F2026-000018", "NL") == "RF11F2026000018"
    assert spaced("RF11F2026000018") == "RF11 F202 6000 018"
    assert reference_of("F2026-1234567", "BE").startswith("RF")
    for text in ("", "RF00", "hello", "+++202/6000/01899+++", "RF12F2026000018"):
        assert invoice_number_of(text) is None


@given(st.integers(1000, 10**15))
def test_a_customers_own_reference_is_fixed(customer_id: int) -> None:
    reference = top_up_reference_of(customer_id)
    assert iso11649.is_valid(reference)
    assert customer_id_of(reference) == customer_id
    assert invoice_number_of(reference) is None
