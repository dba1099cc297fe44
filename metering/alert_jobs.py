"""The sweep over alerts that come about by time alone: days left, and monthly limits with a new month."""

from typing import Final

from app.db import db, in_unit_of_work
from metering import alerts
from topups import service as topups

CHUNK: Final = 500


def sweep() -> None:
    """Look at every customer concerned, one transaction each."""
    after_id = 0
    while customer_ids := alerts.customers_to_look_at(after_id, CHUNK):
        db.session.rollback()
        for customer_id in customer_ids:
            in_unit_of_work(_look, customer_id)
        after_id = customer_ids[-1]


def _look(customer_id: int) -> None:
    alerts.evaluate(customer_id)
    # What a day's use or the month's rest comes to has changed, and with it where their marks lie.
    topups.refresh_marks(customer_id)
