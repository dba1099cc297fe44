"""Jobs of collecting and chasing. Each may run twice, and finds again from rows what a lost queue forgot."""

from typing import Final
from uuid import UUID

from app.clock import utc_now
from app.db import in_unit_of_work
from app.i18n import local_date
from app.jobs import enqueue
from invoicing import auto_pay, dunning_run

COLLECTED_PER_SWEEP: Final = 1000
CHASED_PER_PAGE: Final = 1000


def collect_due() -> None:
    """Collect what falls due today where the customer chose so, and finish what a crash left undone."""
    for customer_id, invoice_id, _ in auto_pay.due(local_date(utc_now()), COLLECTED_PER_SWEEP):
        enqueue(
            "invoicing.dunning_jobs.collect", customer_id, str(invoice_id), job_id=f"collect-{invoice_id}"
        )


def collect(customer_id: int, invoice_id: str) -> None:
    """Collect one invoice, once per due date."""
    auto_pay.collect(int(customer_id), UUID(invoice_id))


def chase_due() -> None:
    """Look at every customer with something unpaid, by day: each step of dunning is done once."""
    now = utc_now()
    after = 0
    while dunning_run.is_daytime(now):
        customer_ids = dunning_run.customers_to_chase(local_date(now), after, CHASED_PER_PAGE)
        for customer_id in customer_ids:
            enqueue("invoicing.dunning_jobs.chase", customer_id, queue="bulk", job_id=f"chase-{customer_id}")
        if len(customer_ids) < CHASED_PER_PAGE:
            break
        after = customer_ids[-1]


def chase(customer_id: int) -> None:
    """Do what is due for a customer's unpaid invoices today."""
    if dunning_run.is_daytime(utc_now()):
        in_unit_of_work(dunning_run.chase, int(customer_id))
