"""The schema is fit to be sharded by customer from its first migration on."""

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import ForeignKeyConstraint, Index, Table, UniqueConstraint

from app.db import Model
from app.distribution import is_distributed, plan


@pytest.fixture(autouse=True)
def models(app: Flask) -> None:
    """The factory has imported every model."""


def distributed() -> list[Table]:
    return [table for table in Model.metadata.sorted_tables if is_distributed(table)]


def test_every_key_of_a_customers_table_names_the_customer() -> None:
    for table in distributed():
        uniques = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
        keys = [set(c.columns.keys()) for c in uniques]
        keys += [set(i.columns.keys()) for i in table.indexes if isinstance(i, Index) and i.unique]
        for key in [*keys, set(table.primary_key.columns.keys())]:
            assert "customer_id" in key, f"{table.name}: {key}"


def test_foreign_keys_between_customers_tables_carry_the_customer() -> None:
    for table in distributed():
        for constraint in table.constraints:
            if not isinstance(constraint, ForeignKeyConstraint):
                continue
            target = constraint.referred_table
            if is_distributed(target):
                pairs = {(e.parent.name, e.column.name) for e in constraint.elements}
                assert ("customer_id", "customer_id") in pairs, f"{table.name} → {target.name}"


def test_no_reference_table_points_at_a_distributed_one() -> None:
    for table in Model.metadata.sorted_tables:
        if not is_distributed(table):
            for key in table.foreign_keys:
                assert not is_distributed(key.column.table), f"{table.name} → {key.column.table.name}"


def test_no_foreign_key_ever_deletes_or_changes_rows() -> None:
    for table in Model.metadata.sorted_tables:
        for key in table.foreign_keys:
            assert key.ondelete in (None, "RESTRICT"), f"{table.name} → {key.column.table.name}"


def test_every_table_is_in_the_plan_once() -> None:
    names = [name for name, _ in plan()]
    assert sorted(names) == sorted(table.name for table in Model.metadata.sorted_tables)


def test_a_plain_postgresql_is_left_as_it_is(runner: FlaskCliRunner) -> None:
    result = runner.invoke(args=["db", "distribute"])
    assert result.exit_code == 1
    assert "no citus extension" in result.output
