"""The days on which banks move euros (TARGET calendar). Pure.

A direct debit given today reaches the payer's account on the business day after the first business day.
"""

from datetime import date, timedelta


def easter(year: int) -> date:
    """Easter Sunday, Gregorian (Meeus, Jones, Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    return date(year, month, day + 1)


def is_business_day(day: date) -> bool:
    """Whether banks settle on this day: no weekend and none of TARGET's six holidays."""
    if day.weekday() >= 5:
        return False
    if (day.month, day.day) in {(1, 1), (5, 1), (12, 25), (12, 26)}:
        return False
    sunday = easter(day.year)
    return day not in {sunday - timedelta(days=2), sunday + timedelta(days=1)}


def add_business_days(day: date, count: int) -> date:
    """`count` (≥ 0) business days after `day`; 0 gives the first business day from `day` on."""
    while not is_business_day(day):
        day += timedelta(days=1)
    for _ in range(count):
        day += timedelta(days=1)
        while not is_business_day(day):
            day += timedelta(days=1)
    return day


def expected_debit_day(given: date) -> date:
    """When a direct debit given to the bank on `given` reaches the payer's account, most likely."""
    return add_business_days(given, 1)
