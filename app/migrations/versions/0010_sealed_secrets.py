"""The secrets of authenticator apps are sealed."""

import sqlalchemy as sa
from alembic import op

from app.customers.authenticators import purpose_of
from app.sealing import open_sealed, seal

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

authenticator = sa.table(
    "authenticator", sa.column("user_id", sa.BigInteger()), sa.column("secret", sa.String())
)


def upgrade():
    op.alter_column("authenticator", "secret", type_=sa.String(255))
    _rewrite(seal)


def downgrade():
    _rewrite(open_sealed)
    op.alter_column("authenticator", "secret", type_=sa.String(64))


def _rewrite(change):
    connection = op.get_bind()
    for row in connection.execute(sa.select(authenticator)).all():
        connection.execute(
            sa.update(authenticator)
            .where(authenticator.c.user_id == row.user_id)
            .values(secret=change(row.secret, purpose_of(row.user_id)))
        )
