"""Mail that is being sent, and mail of which nobody knows whether it was."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The checks of the first migration bear the prefix of their table twice.
CONSTRAINT = "ck_mail_message_ck_mail_message_status"


def upgrade():
    op.add_column("mail_message", sa.Column("sending_at", sa.DateTime(timezone=True)))
    op.drop_constraint(op.f(CONSTRAINT), "mail_message")
    op.create_check_constraint(
        op.f(CONSTRAINT),
        "mail_message",
        "status IN ('queued', 'sending', 'sent', 'failed', 'unsure')",
    )
    op.create_index(
        "ix_mail_message_uncertain",
        "mail_message",
        ["created_at"],
        postgresql_where=sa.text("status IN ('sending', 'unsure')"),
    )


def downgrade():
    op.execute("UPDATE mail_message SET status = 'failed' WHERE status IN ('sending', 'unsure')")
    op.drop_index("ix_mail_message_uncertain", table_name="mail_message")
    op.drop_constraint(op.f(CONSTRAINT), "mail_message")
    op.create_check_constraint(op.f(CONSTRAINT), "mail_message", "status IN ('queued', 'sent', 'failed')")
    op.drop_column("mail_message", "sending_at")
