"""Plans that were made while a table was empty are not kept for when it is full."""

from flask import Flask
from sqlalchemy import text

from app.db import db, forget_plans, unit_of_work

_EXECUTIONS_BEFORE_A_PLAN_IS_KEPT = 6


def plan() -> str:
    return "\n".join(db.session.scalars(text("EXPLAIN (COSTS OFF) EXECUTE lookup(1)")))


def test_a_table_that_filled_is_read_by_its_index_once_plans_are_forgotten(app: Flask) -> None:
    with unit_of_work():
        for statement in (
            "CREATE TEMP TABLE filling (number bigint PRIMARY KEY)",
            "ANALYZE filling",
            "PREPARE lookup (bigint) AS SELECT 1 FROM filling WHERE number = $1",
            *["EXECUTE lookup(1)"] * _EXECUTIONS_BEFORE_A_PLAN_IS_KEPT,
            "INSERT INTO filling SELECT generate_series(1, 20000)",
        ):
            db.session.execute(text(statement))
        assert "Seq Scan" in plan()

        forget_plans()

        assert "Index" in plan()
