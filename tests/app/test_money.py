"""Money: exact, half up, never a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import (
    InvalidMoney,
    Money,
    cents_of_micros,
    decimal_of_micros,
    micros_of,
    micros_of_cents,
    round_half_up,
)


@given(st.integers(-(10**15), 10**15))
def test_money_survives_the_api_unchanged(micros: int) -> None:
    assert Money.from_json(Money(micros).to_json()).micros == micros


@given(st.integers(-(10**12), 10**12))
def test_micros_and_decimals_are_the_same_amount(micros: int) -> None:
    assert micros_of(decimal_of_micros(micros)) == micros


@given(st.integers(-(10**12), 10**12))
def test_cents_are_the_nearest_with_halves_away_from_zero(micros: int) -> None:
    cents = cents_of_micros(micros)
    assert abs(micros_of_cents(cents) - micros) <= 5_000
    assert cents == int(round_half_up(decimal_of_micros(micros), 2) * 100)
    assert cents_of_micros(-micros) == -cents


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "12.34",
        12,
        {"value": 12, "currency": "EUR"},
        {"value": "12,34", "currency": "EUR"},
        {"value": "1e3", "currency": "EUR"},
        {"value": "NaN", "currency": "EUR"},
        {"value": "1.0000001", "currency": "EUR"},
        {"value": "12345678901", "currency": "EUR"},
        {"value": "1.00", "currency": "USD"},
        {"value": "1.00"},
        {"value": "1.00", "currency": "EUR", "more": 1},
        {"value": "١.٠٠", "currency": "EUR"},
    ],
)
def test_what_is_no_amount_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidMoney):
        Money.from_json(wrong)


def test_an_amount_is_written_plainly() -> None:
    assert Money(12_300_000).to_json() == {"value": "12.30", "currency": "EUR"}
    assert Money(12).to_json()["value"] == "0.000012"
    assert Money(-5_000).to_json()["value"] == "-0.005"
    assert Money(0).to_json()["value"] == "0.00"


def test_whole_cents_are_asked_for_only_where_they_are() -> None:
    assert Money.of("12.34").cents == 1234
    with pytest.raises(ValueError, match="fraction of a cent"):
        _ = Money.of("0.001").cents


def test_more_than_six_places_is_no_amount() -> None:
    with pytest.raises(InvalidMoney):
        Money.of(Decimal("0.0000001"))
