"""The invoice page's parts: lines joined per meter, with how each amount came to be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.i18n import number
from invoicing import wording
from invoicing.models import Invoice, InvoiceLine
from invoicing.shapes import events_of
from invoicing.wording import gettext


@dataclass(frozen=True, slots=True)
class Group:
    """A row of the page: a meter's lines together, how they came to be, and their net amount in cents."""

    name: str
    explanation: str
    net_cents: int
    events: dict[str, str] | None = None


def groups_of(invoice: Invoice) -> list[Group]:
    """Lines of one meter, dimensions and tax stand together; what is no usage stands alone."""
    grouped: dict[tuple[object, ...], list[InvoiceLine]] = {}
    for line in invoice.lines:
        alone = line.position if line.kind in {"correction", "credit", "charge"} else None
        key = (line.meter, tuple(sorted(line.dimensions.items())), line.tax_category, line.tax_percent, alone)
        grouped.setdefault(key, []).append(line)
    return [replace(_group(lines), events=events_of(lines[0], invoice)) for lines in grouped.values()]


def _group(lines: Sequence[InvoiceLine]) -> Group:
    first = lines[0]
    name = wording.name_with_dimensions(first)
    net_cents = sum(line.net_cents for line in lines)
    if first.kind in {"correction", "credit"}:
        return Group(wording.description(first), "", net_cents)
    if first.kind == "charge":
        several = first.quantity != 1
        return Group(wording.description(first), _explanation(lines) if several else "", net_cents)
    return Group(name, _explanation(lines), net_cents)


def _explanation(lines: Sequence[InvoiceLine]) -> str:
    """For example "18,059,974 tokens · 10,000,000 at €2.00 per million, 8,059,974 at €1.50 per million"."""
    units = [line for line in lines if line.kind == "units"]
    others = [wording.quantity_text(line) + " " + wording.price_sentence(line) for line in lines]
    if not units:
        return ", ".join(others)
    total = sum((line.quantity for line in units), start=units[0].quantity * 0)
    counted = f"{number(wording.exact(total))} {wording.unit_text(units[0].unit, total)}".strip()
    if len(lines) == 1:
        return gettext("%(quantity)s %(price)s", quantity=counted, price=wording.price_sentence(units[0]))
    return f"{counted} · {', '.join(others)}"
