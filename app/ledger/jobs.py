"""The ledger's jobs. Each may run twice."""

from app.db import db, in_unit_of_work
from app.ledger import holds, sealing, service


def seal() -> None:
    """Chain the transfers that came since the last run."""
    sealing.seal_all()


def expire_grants() -> None:
    """Take back promotional credit whose time has passed."""
    customer_ids = service.customers_with_expired_grants()
    db.session.rollback()
    for customer_id in customer_ids:
        in_unit_of_work(service.expire_grants, customer_id)


def expire_holds() -> None:
    """Set free what is held for work that did not come in time."""
    customer_ids = holds.customers_with_expired_holds()
    db.session.rollback()
    for customer_id in customer_ids:
        in_unit_of_work(holds.expire_holds, customer_id)
