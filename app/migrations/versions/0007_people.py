"""Team, roles and ways to sign in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Whoever pays for a customer wants to see its invoices and payments.
BILLING_MAILS = """
UPDATE membership SET mail_topics = '["invoices", "payments"]'::jsonb WHERE role = 'billing'
"""


def moment(name, *, nullable=False):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def of_user(table):
    return sa.ForeignKeyConstraint(
        ["user_id"],
        ["user_account.user_id"],
        name=f"fk_{table}_user_id_user_account",
        ondelete="RESTRICT",
    )


def of_customer(table):
    return sa.ForeignKeyConstraint(
        ["customer_id"],
        ["customer.customer_id"],
        name=f"fk_{table}_customer_id_customer",
        ondelete="RESTRICT",
    )


def upgrade():
    op.add_column(
        "membership",
        sa.Column("mail_topics", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'::jsonb")),
    )
    op.execute(BILLING_MAILS)
    keys()
    sessions()
    ways_to_sign_in()
    team()


def keys():
    op.add_column("api_key", sa.Column("customer_id", sa.BigInteger(), nullable=True))
    op.add_column("api_key", sa.Column("scope", sa.String(length=8), nullable=False, server_default="full"))
    op.create_check_constraint(op.f("ck_api_key_scope"), "api_key", "scope IN ('full', 'read', 'events')")
    op.create_check_constraint(
        op.f("ck_api_key_scope_of_customer"), "api_key", "(scope = 'full') = (customer_id IS NULL)"
    )
    op.create_index("ix_api_key_customer_id", "api_key", ["customer_id"])


def sessions():
    op.create_table(
        "user_session",
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.Column("ip_address", sa.String(length=45), nullable=False),
        moment("created_at"),
        moment("last_seen_at"),
        moment("ended_at", nullable=True),
        sa.CheckConstraint(
            "way IN ('password', 'code', 'single_sign_on', 'invitation')", name="ck_user_session_way"
        ),
        of_user("user_session"),
        sa.PrimaryKeyConstraint("session_id", name="pk_user_session"),
    )
    op.create_index(
        "ix_user_session_open", "user_session", ["user_id"], postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index("ix_user_session_last_seen_at", "user_session", ["last_seen_at"])


def ways_to_sign_in():
    op.create_table(
        "password_link",
        sa.Column("link_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        moment("expires_at"),
        moment("used_at", nullable=True),
        moment("created_at"),
        of_user("password_link"),
        sa.PrimaryKeyConstraint("link_id", name="pk_password_link"),
    )
    op.create_index("ix_password_link_user_id", "password_link", ["user_id"])
    op.create_table(
        "authenticator",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        moment("created_at"),
        moment("confirmed_at", nullable=True),
        of_user("authenticator"),
        sa.PrimaryKeyConstraint("user_id", name="pk_authenticator"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("code_digest", sa.String(length=64), nullable=False),
        moment("used_at", nullable=True),
        of_user("recovery_code"),
        sa.PrimaryKeyConstraint("user_id", "code_digest", name="pk_recovery_code"),
    )
    op.create_table(
        "sign_in_identity",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_verified", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        moment("created_at"),
        moment("last_used_at"),
        of_user("sign_in_identity"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_sign_in_identity"),
    )
    op.create_index("ix_sign_in_identity_user_id", "sign_in_identity", ["user_id"])


def team():
    op.create_table(
        "invitation",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("invitation_id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("invited_by_user_id", sa.BigInteger(), nullable=False),
        sa.Column("mails_sent", sa.Integer(), nullable=False),
        moment("created_at"),
        moment("sent_at"),
        moment("expires_at"),
        moment("accepted_at", nullable=True),
        sa.Column("accepted_by_user_id", sa.BigInteger(), nullable=True),
        moment("revoked_at", nullable=True),
        sa.CheckConstraint("role IN ('owner', 'billing', 'viewer')", name="ck_invitation_role"),
        of_customer("invitation"),
        sa.PrimaryKeyConstraint("customer_id", "invitation_id", name="pk_invitation"),
    )
    op.create_index(
        "uq_invitation_open",
        "invitation",
        ["customer_id", "email"],
        unique=True,
        postgresql_where=sa.text("accepted_at IS NULL AND revoked_at IS NULL"),
    )
    op.create_table(
        "closing_wish",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asked_by_user_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        moment("asked_at"),
        of_customer("closing_wish"),
        sa.PrimaryKeyConstraint("customer_id", name="pk_closing_wish"),
    )


def downgrade():
    for table in (
        "closing_wish",
        "invitation",
        "sign_in_identity",
        "recovery_code",
        "authenticator",
        "password_link",
        "user_session",
    ):
        op.drop_table(table)
    op.drop_index("ix_api_key_customer_id", "api_key")
    op.drop_constraint(op.f("ck_api_key_scope_of_customer"), "api_key", type_="check")
    op.drop_constraint(op.f("ck_api_key_scope"), "api_key", type_="check")
    op.drop_column("api_key", "scope")
    op.drop_column("api_key", "customer_id")
    op.drop_column("membership", "mail_topics")
