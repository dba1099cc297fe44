"""What lines charged comes back whole, also where other lines of their document gave something back."""

from alembic import op

revision = "0011a"
down_revision = "0011"
branch_labels = None
depends_on = None

# The checks of the first migration bear the prefix of their table twice.
WITHIN_TOTAL = "ck_invoice_ck_invoice_credited_within_total"


def upgrade():
    op.drop_constraint(op.f(WITHIN_TOTAL), "invoice", type_="check")
    op.create_check_constraint(op.f("ck_invoice_credited"), "invoice", "credited_cents >= 0")


def downgrade():
    # Documents stay as they are: what was credited beyond a total is not forbidden again.
    op.drop_constraint(op.f("ck_invoice_credited"), "invoice", type_="check")
    op.create_check_constraint(
        op.f(WITHIN_TOTAL), "invoice", "credited_cents BETWEEN 0 AND total_cents", postgresql_not_valid=True
    )
