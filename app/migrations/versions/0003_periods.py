"""Periods of two weeks, tax categories of meters, fees on invoices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None

EMPTY = sa.text("'[]'::jsonb")
NO = sa.text("false")


def upgrade():
    op.add_column("customer", sa.Column("billing_cycles", JSONB(), server_default=EMPTY, nullable=False))
    for flag in ("invoice_empty_periods", "resells_telecom"):
        op.add_column("customer", sa.Column(flag, sa.Boolean(), server_default=NO, nullable=False))
    op.add_column("meter", sa.Column("tax_classes", JSONB(), server_default=EMPTY, nullable=False))
    op.add_column("usage_period", sa.Column("special_taxes", JSONB()))
    op.add_column("invoice_line", sa.Column("supplied_from", sa.Date()))
    op.add_column("invoice_line", sa.Column("supplied_until", sa.Date()))


def downgrade():
    op.drop_column("invoice_line", "supplied_until")
    op.drop_column("invoice_line", "supplied_from")
    op.drop_column("usage_period", "special_taxes")
    op.drop_column("meter", "tax_classes")
    for flag in ("resells_telecom", "invoice_empty_periods"):
        op.drop_column("customer", flag)
    op.drop_column("customer", "billing_cycles")
