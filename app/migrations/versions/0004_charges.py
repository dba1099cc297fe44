"""One-off charges and subscriptions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "billing_terms",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_type", sa.String(length=16), nullable=False),
        sa.Column("term_days", sa.Integer(), nullable=True),
        sa.Column("is_separate", sa.Boolean(), nullable=False),
        sa.Column("auto_pay", sa.Boolean(), nullable=False),
        sa.Column("uses_balance", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "charge_type IN ('usage', 'subscription', 'one_off')", name="ck_billing_terms_charge_type"
        ),
        sa.CheckConstraint("term_days BETWEEN 0 AND 120", name="ck_billing_terms_term_days"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_billing_terms_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "charge_type", name="pk_billing_terms"),
    )
    op.create_table(
        "charge",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_id", sa.String(length=64), nullable=False),
        sa.Column("charged_on", sa.Date(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("net_cents", sa.BigInteger(), nullable=False),
        sa.Column("product", sa.String(length=16), nullable=False),
        sa.Column("billed", sa.String(length=16), nullable=False),
        sa.Column("billed_period", sa.Date(), nullable=True),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=254), nullable=False),
        sa.Column("request_key", sa.String(length=128), nullable=False),
        sa.CheckConstraint("billed IN ('next_invoice', 'at_once')", name="ck_charge_billed"),
        sa.CheckConstraint("product IN ('standard', 'reduced', 'zero')", name="ck_charge_product"),
        sa.CheckConstraint("net_cents > 0", name="ck_charge_net_above_zero"),
        sa.CheckConstraint(
            "num_nonnulls(billed_period, invoice_id, withdrawn_at) <= 1", name="ck_charge_one_end"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "invoice_id"],
            ["invoice.customer_id", "invoice.invoice_id"],
            name="fk_charge_customer_id_invoice_id_invoice",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_charge_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "charge_id", name="pk_charge"),
        sa.UniqueConstraint("customer_id", "request_key", name="uq_charge_customer_id_request_key"),
    )
    op.create_index("ix_charge_invoice", "charge", ["customer_id", "invoice_id"], unique=False)
    op.create_index(
        "ix_charge_pending",
        "charge",
        ["customer_id"],
        unique=False,
        postgresql_where=sa.text("billed_period IS NULL AND invoice_id IS NULL AND withdrawn_at IS NULL"),
    )
    op.create_table(
        "charge_attachment",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("charge_id", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.String(length=120), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "charge_id"],
            ["charge.customer_id", "charge.charge_id"],
            name="fk_charge_attachment_customer_id_charge_id_charge",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "charge_id", name="pk_charge_attachment"),
    )
    op.create_table(
        "plan",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("names", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("price", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("interval", sa.String(length=8), nullable=False),
        sa.Column("product", sa.String(length=16), nullable=False),
        sa.Column("is_offered", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("interval IN ('month', 'year')", name="ck_plan_interval"),
        sa.CheckConstraint("product IN ('standard', 'reduced', 'zero')", name="ck_plan_product"),
        sa.CheckConstraint("price >= 0", name="ck_plan_price"),
        sa.PrimaryKeyConstraint("code", name="pk_plan"),
    )
    op.create_table(
        "subscription",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("subscription_id", sa.String(length=64), nullable=False),
        sa.Column("plan_code", sa.String(length=64), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("own_price", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("anchor", sa.Date(), nullable=False),
        sa.Column("charged_through", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'active') = (ends_on IS NULL)", name="ck_subscription_ends_when_cancelled"
        ),
        sa.CheckConstraint("status IN ('active', 'cancelled', 'ended')", name="ck_subscription_status"),
        sa.CheckConstraint("own_price >= 0", name="ck_subscription_own_price"),
        sa.CheckConstraint("quantity > 0", name="ck_subscription_quantity"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_subscription_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["plan_code"], ["plan.code"], name="fk_subscription_plan_code_plan", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("customer_id", "subscription_id", name="pk_subscription"),
    )
    op.create_index(
        "ix_subscription_to_charge",
        "subscription",
        ["charged_through"],
        unique=False,
        postgresql_where=sa.text("status <> 'ended'"),
    )
    op.create_table(
        "subscription_span",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("subscription_id", sa.String(length=64), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("names", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("interval", sa.String(length=8), nullable=False),
        sa.Column("product", sa.String(length=16), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("full_cents", sa.BigInteger(), nullable=False),
        sa.Column("net_cents", sa.BigInteger(), nullable=False),
        sa.Column("tax_category", sa.String(length=2), nullable=True),
        sa.Column("tax_percent", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("billed_period", sa.Date(), nullable=True),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("net_cents BETWEEN 0 AND full_cents", name="ck_subscription_span_net_within_full"),
        sa.CheckConstraint(
            "num_nonnulls(billed_period, invoice_id) <= 1", name="ck_subscription_span_billed_once"
        ),
        sa.CheckConstraint(
            "period_start <= starts_on AND starts_on <= ends_on AND ends_on <= period_end",
            name="ck_subscription_span_days",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "invoice_id"],
            ["invoice.customer_id", "invoice.invoice_id"],
            name="fk_subscription_span_customer_id_invoice_id_invoice",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "subscription_id"],
            ["subscription.customer_id", "subscription.subscription_id"],
            name="fk_subscription_span_customer_id_subscription_id_subscription",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint(
            "customer_id", "subscription_id", "period_start", "revision", name="pk_subscription_span"
        ),
    )
    op.create_index(
        "ix_subscription_span_invoice", "subscription_span", ["customer_id", "invoice_id"], unique=False
    )
    op.create_index(
        "ix_subscription_span_pending",
        "subscription_span",
        ["customer_id"],
        unique=False,
        postgresql_where=sa.text("billed_period IS NULL AND invoice_id IS NULL"),
    )
    op.create_table(
        "subscription_event",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("subscription_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("names", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("interval", sa.String(length=8), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("credited_cents", sa.BigInteger(), nullable=False),
        sa.Column("agreed_by", sa.String(length=254), nullable=False),
        sa.Column("agreed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request_key", sa.String(length=128), nullable=False),
        sa.CheckConstraint(
            "kind IN ('started', 'changed', 'cancelled', 'resumed')", name="ck_subscription_event_kind"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "subscription_id"],
            ["subscription.customer_id", "subscription.subscription_id"],
            name="fk_subscription_event_customer_id_subscription_id_subscription",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "subscription_id", "revision", name="pk_subscription_event"),
        sa.UniqueConstraint(
            "customer_id", "request_key", name="uq_subscription_event_customer_id_request_key"
        ),
    )


def downgrade():
    for table in (
        "subscription_event",
        "subscription_span",
        "subscription",
        "plan",
        "charge_attachment",
        "charge",
        "billing_terms",
    ):
        op.drop_table(table)
