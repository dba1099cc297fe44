"""The migrations make exactly the tables that the models describe."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import create_engine

from app.config import settings
from app.db import Model, driver_url


def test_the_migrations_and_the_models_agree(app: Flask) -> None:
    engine = create_engine(driver_url(settings().owner_database_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Model.metadata)
    engine.dispose()
    # Partitions belong to their parent, which is a model.
    assert [d for d in differences if "usage_event_" not in str(d)] == []
