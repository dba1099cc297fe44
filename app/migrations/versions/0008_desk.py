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


def downgrade():
    op.drop_table("audit_entry")
