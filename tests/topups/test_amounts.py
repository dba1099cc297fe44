"""Amounts as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topups.amounts import parse_amount


@pytest.mark.parametrize(
    ("typed", "micros"),
    [
        ("25", 25_000_000),
        ("25,00", 25_000_000),
        ("25.00", 25_000_000),
        ("25,5", 25_500_000),
        ("€ 25,00", 25_000_000),
        ("€\u00a01.234,50", 1_234_500_000),
        ("1,234.50", 1_234_500_000),
        ("1.234", 1_234_000_000),
        ("25,-", 25_000_000),
        (" 25 ", 25_000_000),
        ("0,01", 10_000),
        ("", None),
        ("ten", None),
        ("25,001,00,0", None),
        ("-5", None),
        ("1e3", None),
        ("٢٥", None),
        ("9999999999", None),
    ],
)
def test_what_people_type(typed: str, micros: int | None) -> None:
    assert parse_amount(typed) == micros


@given(st.integers(0, 999_999_99))
def test_every_amount_is_read_as_it_is_written_in_either_language(cents: int) -> None:
    english = f"{cents // 100:,}.{cents % 100:02}"
    dutch = english.translate(str.maketrans(",.", ".,"))
    assert parse_amount(english) == parse_amount(dutch) == cents * 10_000


@given(st.text(max_size=20))
def test_nothing_typed_breaks_it(typed: str) -> None:
    micros = parse_amount(typed)
    assert micros is None or micros >= 0
