"""Why a top-up happened or did not, kept for the customer to read.

The same answer again on the same day is counted in its row, so that a busy meter does not fill the page.
"""

from datetime import datetime

from sqlalchemy import select

from app.db import db
from app.i18n import local_date
from topups.decisions import Situation, Verdict
from topups.models import TopUp, TopUpDecision


def record(
    customer_id: int, verdict: Verdict, seen: Situation, top_up: TopUp | None, now: datetime
) -> TopUpDecision:
    """Write the decision down. The balance is locked, so numbers do not clash."""
    last = latest(customer_id)
    repeated = (
        last is not None
        and not verdict.charges
        and last.reason is verdict.reason
        and local_date(last.first_at) == local_date(now)
    )
    if last is not None and repeated:
        last.times += 1
        last.decided_at = now
        last.available_micros = seen.available_micros
        last.in_flight_micros = seen.in_flight_micros
        last.month_used_micros = seen.month_used_micros
        return last
    decision = TopUpDecision(
        customer_id=customer_id,
        number=(last.number if last else 0) + 1,
        reason=verdict.reason,
        available_micros=seen.available_micros,
        in_flight_micros=seen.in_flight_micros,
        month_used_micros=seen.month_used_micros,
        amount_micros=verdict.amount_micros,
        payment_method_id=verdict.payment_method_id,
        top_up_id=top_up.top_up_id if top_up else None,
        times=1,
        first_at=now,
        decided_at=now,
    )
    db.session.add(decision)
    return decision


def latest(customer_id: int) -> TopUpDecision | None:
    found = last_decisions(customer_id, 1)
    return found[0] if found else None


def last_decisions(customer_id: int, count: int = 10) -> list[TopUpDecision]:
    """The newest first."""
    return list(
        db.session.scalars(
            select(TopUpDecision)
            .where(TopUpDecision.customer_id == customer_id)
            .order_by(TopUpDecision.number.desc())
            .limit(count)
        )
    )
