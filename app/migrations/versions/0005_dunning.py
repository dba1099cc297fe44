"""Dunning, automatic payment of what is due, what is uncollectible."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    pass


def downgrade():
    pass
