"""How the tables spread over nodes: by customer, or copied to each as reference tables.

A table whose primary key names a customer is distributed by it; all others are small and replicated. So a
customer's rows stand together on one node, and a transaction of one customer stays there.
"""

from typing import Final

import click
from flask_migrate.cli import db as migration_commands
from sqlalchemy import Connection, Table, create_engine, text

from app.config import settings
from app.db import Model, driver_url

db_commands: Final[click.Group] = migration_commands
# Look-ups by something other than the customer: replicated although a customer_id is among their keys.
LOOKUPS: Final = frozenset({"customer_reference", "membership", "payer_account"})


def is_distributed(table: Table) -> bool:
    """Whether a table's rows belong to one customer each and live on that customer's node."""
    return table.name not in LOOKUPS and "customer_id" in table.primary_key.columns


def plan() -> list[tuple[str, str]]:
    """(table, statement) in the order Citus wants: reference tables, then `customer`, then the rest."""
    tables = Model.metadata.sorted_tables
    reference = [table.name for table in tables if not is_distributed(table)]
    distributed = [table.name for table in tables if is_distributed(table)]
    distributed.sort(key=lambda name: name != "customer")
    return [(name, "SELECT create_reference_table(:table)") for name in reference] + [
        (
            name,
            "SELECT create_distributed_table(:table, 'customer_id')"
            if name == "customer"
            else "SELECT create_distributed_table(:table, 'customer_id', colocate_with => 'customer')",
        )
        for name in distributed
    ]


def distribute(connection: Connection) -> list[str]:
    """Distribute what is not yet; answers the tables it moved. Needs the citus extension."""
    done = set(connection.scalars(text("SELECT logicalrelid::text FROM pg_dist_partition")))
    moved = []
    for table, statement in plan():
        if table.strip('"') not in {name.strip('"') for name in done}:
            connection.execute(text(statement), {"table": f'"{table}"'})
            moved.append(table)
    return moved


@db_commands.command("distribute")
def distribute_command() -> None:
    """Spread the tables over Citus nodes, where the extension is installed."""
    engine = create_engine(driver_url(settings().owner_database_url))
    try:
        with engine.begin() as connection:
            if not connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'citus'")):
                raise click.ClickException(
                    "This PostgreSQL has no citus extension: one node carries everything, nothing to do."
                )
            for table in distribute(connection):
                click.echo(f"{table}: distributed")
    finally:
        engine.dispose()
