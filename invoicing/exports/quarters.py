"""Quarters of a year, as VAT is declared. Pure."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, (day.month + 2) // 3)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "2026-Q4". Raises ValueError."""
        parts = re.fullmatch(r"(20\d{2})-?[Qq]?([1-4])", text)
        if parts is None:
            raise ValueError(f"{text!r} is no quarter: give one such as 2026-Q4")
        return cls(int(parts[1]), int(parts[2]))

    @property
    def start(self) -> date:
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def end(self) -> date:
        """The day after its last."""
        return (self.start + timedelta(days=95)).replace(day=1)

    def __str__(self) -> str:
        return f"{self.year}-Q{self.number}"
