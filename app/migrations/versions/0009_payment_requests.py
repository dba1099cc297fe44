"""Payment requests: invoices that are asked for before they are issued."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The application's role may not change what is on a document. This is the one way from a request to an
# invoice: it goes there once, and nowhere else.
ISSUE = """
CREATE OR REPLACE FUNCTION issue_payment_request(bigint, uuid, varchar, date, timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE invoice
    SET number = $3, issue_date = $4, issued_at = $5,
        -- What was paid counts first for a fee for paying late, which is not on the document.
        paid_first_cents = GREATEST(0, settled_micros / 10000 - late_fee_cents)
    WHERE customer_id = $1 AND invoice_id = $2 AND number = request_number
    RETURNING 1
$$
"""


def upgrade():
    op.add_column("invoice", sa.Column("request_number", sa.String(32)))
    op.add_column("invoice", sa.Column("requested_at", sa.DateTime(timezone=True)))
    op.add_column(
        "invoice", sa.Column("paid_first_cents", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.alter_column("invoice", "paid_first_cents", server_default=None)
    op.create_unique_constraint(
        "uq_invoice_customer_id_request_number", "invoice", ["customer_id", "request_number"]
    )
    op.create_check_constraint(
        op.f("ck_invoice_paid_first_within_due"), "invoice", "paid_first_cents BETWEEN 0 AND due_cents"
    )
    op.create_check_constraint(
        op.f("ck_invoice_requested"), "invoice", "(request_number IS NULL) = (requested_at IS NULL)"
    )
    op.execute(ISSUE)


def downgrade():
    op.execute("DROP FUNCTION issue_payment_request")
    for column in ("paid_first_cents", "requested_at", "request_number"):
        op.drop_column("invoice", column)
