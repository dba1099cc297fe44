"""When a bank moves money."""

from datetime import date

from topups.business_days import add_business_days, easter, expected_debit_day, is_business_day


def test_a_debit_asked_for_on_a_monday_comes_on_tuesday() -> None:
    assert expected_debit_day(date(2026, 11, 23)) == date(2026, 11, 24)


def test_a_debit_asked_for_in_the_weekend_waits_for_monday_and_comes_on_tuesday() -> None:
    assert expected_debit_day(date(2026, 11, 21)) == date(2026, 11, 24)
    assert expected_debit_day(date(2026, 11, 22)) == date(2026, 11, 24)


def test_a_debit_asked_for_on_a_friday_comes_on_monday() -> None:
    assert expected_debit_day(date(2026, 11, 20)) == date(2026, 11, 23)


def test_easter_and_christmas_are_no_business_days() -> None:
    assert easter(2026) == date(2026, 4, 5)
    assert easter(2027) == date(2027, 3, 28)
    assert not is_business_day(date(2026, 4, 3))
    assert not is_business_day(date(2026, 4, 6))
    assert add_business_days(date(2026, 12, 24), 1) == date(2026, 12, 28)


def test_three_business_days_after_a_wednesday_is_the_next_monday() -> None:
    assert add_business_days(date(2026, 11, 25), 3) == date(2026, 11, 30)
