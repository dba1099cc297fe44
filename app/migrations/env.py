"""Migrations run as the owner of the tables; the application's own role gets just the rights it needs.

Everything runs in one transaction: a migration is there whole or not at all.
"""

from alembic import context
from flask import current_app
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from app.clock import utc_now
from app.db import Model, driver_url
from metering.partitions import ensure_partitions

settings = current_app.extensions["settings"]

# What was posted is never changed, whoever asks through the application.
APPEND_ONLY = (
    "audit_entry",
    "transfer",
    "ledger_seal",
    "invoice_line",
    "invoice_tax",
    "invoice_document",
    "invoice_number",
    "allocation",
    "charge_attachment",
    "subscription_event",
    "write_off",
)
# Of an issued document only what happens to it afterwards may change.
CHANGEABLE_COLUMNS = {
    "invoice": ("settled_micros", "settled_at", "credited_cents", "late_fee_cents", "written_off_micros")
}


def grant_rights(connection, role, owner):
    if role == owner:
        return
    quoted = connection.dialect.identifier_preparer.quote(role)
    connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {quoted}"))
    connection.execute(
        text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted}")
    )
    connection.execute(text(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quoted}"))
    for table in (*APPEND_ONLY, *CHANGEABLE_COLUMNS):
        if connection.scalar(text("SELECT to_regclass(:table)"), {"table": table}):
            connection.execute(text(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {quoted}"))
            for column in CHANGEABLE_COLUMNS.get(table, ()):
                connection.execute(text(f"GRANT UPDATE ({column}) ON {table} TO {quoted}"))


def run():
    owner_url = settings.owner_database_url
    engine = create_engine(driver_url(owner_url))
    with engine.begin() as connection:
        context.configure(
            connection=connection,
            target_metadata=Model.metadata,
            compare_type=True,
            include_object=lambda obj, name, kind, reflected, other: (
                not (kind == "table" and reflected and name.startswith("usage_event_"))
            ),
        )
        context.run_migrations()
        if connection.scalar(text("SELECT to_regclass('usage_event')")):
            ensure_partitions(connection.connection.driver_connection, utc_now().date())
        grant_rights(connection, make_url(settings.database_url).username, make_url(owner_url).username)
    engine.dispose()


if context.is_offline_mode():
    raise SystemExit("Migrations need the database: there is no offline mode.")
run()
