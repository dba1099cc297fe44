"""Dunning, automatic payment of what is due, what is uncollectible."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UNPAID = "settled_micros + written_off_micros < (due_cents + late_fee_cents) * 10000"
SETTLED_WITHIN_DUE = (
    "settled_micros >= 0 AND written_off_micros >= 0 AND late_fee_cents >= 0 "
    "AND settled_micros + written_off_micros <= (due_cents + late_fee_cents) * 10000"
)
# Until now only an operator suspended.
CAUSES = """
INSERT INTO suspension_cause (customer_id, cause, since)
SELECT customer_id, 'operator', suspended_at FROM balance WHERE suspended_at IS NOT NULL;
"""


def upgrade():
    invoices()
    orders()
    automatic_payment()
    chasing()
    op.create_table(
        "suspension_cause",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("cause IN ('operator', 'dunning')", name="ck_suspension_cause_cause"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["balance.customer_id"],
            name="fk_suspension_cause_customer_id_balance",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "cause", name="pk_suspension_cause"),
    )
    op.execute(CAUSES)
    replace_check("consent", "kind", "kind IN ('save_method', 'automatic_top_up', 'automatic_payment')")
    replace_check("top_up", "origin", "origin IN ('manual', 'automatic', 'auto_pay')")


def downgrade():
    replace_check("top_up", "origin", "origin IN ('manual', 'automatic')")
    replace_check("consent", "kind", "kind IN ('save_method', 'automatic_top_up')")
    for table in (
        "suspension_cause",
        "write_off",
        "late_fee",
        "dunning_pause",
        "dunning_step",
        "auto_payment",
        "auto_pay",
        "payment_order_share",
        "payment_order",
    ):
        op.drop_table(table)
    op.drop_index("ix_invoice_outstanding", "invoice")
    replace_check("invoice", "settled_within_due", "settled_micros BETWEEN 0 AND due_cents * 10000")
    op.drop_column("invoice", "written_off_micros")
    op.drop_column("invoice", "late_fee_cents")
    op.create_index(
        "ix_invoice_outstanding",
        "invoice",
        ["customer_id", "due_date"],
        postgresql_where=sa.text("settled_micros < due_cents * 10000"),
    )


def replace_check(table, name, rule):
    """The checks of the first migration bear the prefix of their table twice."""
    full = op.f(f"ck_{table}_ck_{table}_{name}")
    op.drop_constraint(full, table, type_="check")
    op.create_check_constraint(full, table, rule)


def of_customer(table):
    return sa.ForeignKeyConstraint(
        ["customer_id"],
        ["customer.customer_id"],
        name=f"fk_{table}_customer_id_customer",
        ondelete="RESTRICT",
    )


def of_invoice(table):
    return sa.ForeignKeyConstraint(
        ["customer_id", "invoice_id"],
        ["invoice.customer_id", "invoice.invoice_id"],
        name=f"fk_{table}_customer_id_invoice",
        ondelete="RESTRICT",
    )


def invoices():
    for column in ("late_fee_cents", "written_off_micros"):
        op.add_column("invoice", sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))
        op.alter_column("invoice", column, server_default=None)
    replace_check("invoice", "settled_within_due", SETTLED_WITHIN_DUE)
    op.drop_index("ix_invoice_outstanding", "invoice")
    op.create_index(
        "ix_invoice_outstanding", "invoice", ["customer_id", "due_date"], postgresql_where=sa.text(UNPAID)
    )


def orders():
    op.create_table(
        "payment_order",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("request_key", sa.String(length=128), nullable=False),
        sa.Column("payment_method_id", sa.String(length=64), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("top_up_id", sa.String(length=64), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_micros > 0", name="ck_payment_order_amount_positive"),
        of_customer("payment_order"),
        sa.PrimaryKeyConstraint("customer_id", "request_key", name="pk_payment_order"),
    )
    op.create_table(
        "payment_order_share",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("request_key", sa.String(length=128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_micros > 0", name="ck_payment_order_share_amount_positive"),
        sa.ForeignKeyConstraint(
            ["customer_id", "request_key"],
            ["payment_order.customer_id", "payment_order.request_key"],
            name="fk_payment_order_share_customer_id_payment_order",
            ondelete="RESTRICT",
        ),
        of_invoice("payment_order_share"),
        sa.PrimaryKeyConstraint("customer_id", "request_key", "position", name="pk_payment_order_share"),
        sa.UniqueConstraint(
            "customer_id",
            "request_key",
            "invoice_id",
            name="uq_payment_order_share_customer_id_request_key_invoice_id",
        ),
    )


def automatic_payment():
    op.create_table(
        "auto_pay",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("consent_id", sa.String(length=64), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("NOT enabled OR consent_id IS NOT NULL", name="ck_auto_pay_enabled_with_consent"),
        of_customer("auto_pay"),
        sa.ForeignKeyConstraint(
            ["customer_id", "consent_id"],
            ["consent.customer_id", "consent.consent_id"],
            name="fk_auto_pay_customer_id_consent",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", name="pk_auto_pay"),
    )
    op.create_index("ix_auto_pay_enabled", "auto_pay", ["customer_id"], postgresql_where=sa.text("enabled"))
    op.create_table(
        "auto_payment",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("methods", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tried", sa.Integer(), nullable=False),
        sa.Column("top_up_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('planned', 'asked', 'skipped', 'refused')", name="ck_auto_payment_status"
        ),
        of_invoice("auto_payment"),
        sa.PrimaryKeyConstraint("customer_id", "invoice_id", "due_date", name="pk_auto_payment"),
    )
    op.create_index(
        "ix_auto_payment_planned",
        "auto_payment",
        ["created_at"],
        postgresql_where=sa.text("status = 'planned'"),
    )


def chasing():
    op.create_table(
        "dunning_step",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.String(length=24), nullable=False),
        sa.Column("done_on", sa.Date(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outstanding_micros", sa.BigInteger(), nullable=False),
        sa.Column("fee_cents", sa.BigInteger(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("fee_cents >= 0", name="ck_dunning_step_fee_not_negative"),
        of_invoice("dunning_step"),
        sa.PrimaryKeyConstraint("customer_id", "invoice_id", "step", name="pk_dunning_step"),
    )
    op.create_table(
        "dunning_pause",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("pause_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_by_user_id", sa.BigInteger(), nullable=True),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True),
        of_customer("dunning_pause"),
        of_invoice("dunning_pause"),
        sa.PrimaryKeyConstraint("customer_id", "pause_id", name="pk_dunning_pause"),
    )
    op.create_index(
        "ix_dunning_pause_open",
        "dunning_pause",
        ["customer_id"],
        postgresql_where=sa.text("resumed_at IS NULL"),
    )
    op.create_table(
        "late_fee",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("basis", sa.String(length=64), nullable=False),
        sa.Column("charged_on", sa.Date(), nullable=False),
        sa.Column("waived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waived_because", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_cents > 0", name="ck_late_fee_amount_positive"),
        of_invoice("late_fee"),
        sa.PrimaryKeyConstraint("customer_id", "invoice_id", name="pk_late_fee"),
    )
    op.create_table(
        "write_off",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("write_off_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("vat_cents", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_micros <> 0", name="ck_write_off_amount_not_zero"),
        of_invoice("write_off"),
        sa.PrimaryKeyConstraint("customer_id", "write_off_id", name="pk_write_off"),
    )
    op.create_index("ix_write_off_invoice", "write_off", ["customer_id", "invoice_id"])
    op.create_index("ix_write_off_booked_on", "write_off", ["booked_on"])
