"""Audit log, approvals and the provider's settings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def moment(name, *, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade():
    audit()
    adjustments()
    staff()
    provider_settings()
    figures()


def audit():
    op.create_table(
        "audit_entry",
        sa.Column("entry_id", sa.BigInteger(), sa.Identity(), nullable=False),
        moment("at"),
        sa.Column("actor_kind", sa.String(8), nullable=False),
        sa.Column("actor", sa.String(254, collation="C"), nullable=False),
        sa.Column("viewing_as", sa.String(64)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject_kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(254, collation="C"), nullable=False),
        sa.Column("customer_id", sa.BigInteger()),
        sa.Column("before", postgresql.JSONB()),
        sa.Column("after", postgresql.JSONB()),
        sa.Column("ip_address", postgresql.INET()),
        sa.PrimaryKeyConstraint("entry_id", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"])
    for column in ("actor", "action", "subject", "customer_id"):
        op.create_index(f"ix_audit_entry_{column}", "audit_entry", [column, "entry_id"])


def adjustments():
    op.create_table(
        "adjustment",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("adjustment_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        moment("expires_at", nullable=True),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("requested_by_user_id", sa.BigInteger(), nullable=False),
        moment("requested_at"),
        sa.Column("request_key", sa.String(64), nullable=False),
        sa.Column("decided_by_user_id", sa.BigInteger()),
        moment("decided_at", nullable=True),
        sa.CheckConstraint("kind IN ('balance', 'grant')", name="ck_adjustment_kind"),
        sa.CheckConstraint("status IN ('pending', 'done', 'declined')", name="ck_adjustment_status"),
        sa.CheckConstraint("amount_micros <> 0", name="ck_adjustment_amount"),
        sa.CheckConstraint("kind = 'balance' OR amount_micros > 0", name="ck_adjustment_grant_gives"),
        sa.CheckConstraint("(status = 'pending') = (decided_at IS NULL)", name="ck_adjustment_decided"),
        sa.CheckConstraint("decided_by_user_id <> requested_by_user_id", name="ck_adjustment_second_person"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["balance.customer_id"],
            name="fk_adjustment_customer_id_balance",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "adjustment_id", name="pk_adjustment"),
        sa.UniqueConstraint("customer_id", "request_key", name="uq_adjustment_customer_id_request_key"),
    )
    op.create_index(
        "ix_adjustment_pending",
        "adjustment",
        ["requested_at"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_adjustment_decided_at", "adjustment", ["decided_at"])


def staff():
    op.add_column(
        "user_account", sa.Column("staff_role", sa.String(8), nullable=False, server_default="operator")
    )
    op.create_check_constraint(
        op.f("ck_user_account_staff_role"), "user_account", "staff_role IN ('operator', 'support')"
    )


def provider_settings():
    op.create_table(
        "provider_settings",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chosen", postgresql.JSONB(), nullable=False),
        sa.Column("changed_by_user_id", sa.BigInteger(), nullable=False),
        moment("created_at"),
        sa.PrimaryKeyConstraint("version", name="pk_provider_settings"),
    )
    op.create_table(
        "provider_logo",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(16), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        moment("created_at"),
        sa.CheckConstraint("media_type IN ('image/png')", name="ck_provider_logo_media_type"),
        sa.PrimaryKeyConstraint("digest", name="pk_provider_logo"),
    )


def figures():
    op.create_index(
        "ix_transfer_booked",
        "transfer",
        ["created_at"],
        postgresql_include=["kind", "debit", "credit", "amount_micros"],
        postgresql_where=sa.text("kind <> 'usage'"),
    )
    op.create_index("ix_top_up_failed", "top_up", ["ended_at"], postgresql_where=sa.text("status = 'failed'"))
    op.create_index(
        "ix_payment_method_revoked_at",
        "payment_method",
        ["revoked_at"],
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )


def downgrade():
    op.drop_index("ix_payment_method_revoked_at")
    op.drop_index("ix_top_up_failed")
    op.drop_index("ix_transfer_booked")
    op.drop_table("provider_logo")
    op.drop_table("provider_settings")
    op.drop_constraint(op.f("ck_user_account_staff_role"), "user_account")
    op.drop_column("user_account", "staff_role")
    op.drop_table("adjustment")
    op.drop_table("audit_entry")
