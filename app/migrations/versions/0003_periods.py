"""Periods of two weeks, tax categories of meters, fees on invoices."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("invoice_line", sa.Column("supplied_from", sa.Date()))
    op.add_column("invoice_line", sa.Column("supplied_until", sa.Date()))


def downgrade():
    op.drop_column("invoice_line", "supplied_until")
    op.drop_column("invoice_line", "supplied_from")
