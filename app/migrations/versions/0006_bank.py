"""Bank statements, addressees, checks of VAT numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade():
    bank()
    addressees()
    vat_numbers()


def downgrade():
    op.drop_index("ix_mail_message_bounced", table_name="mail_message")
    op.drop_column("mail_message", "bounce_reason")
    op.drop_column("mail_message", "bounced_at")
    for table in (
        "vat_check",
        "vat_watch",
        "billing_addressee",
        "payer_account",
        "bank_entry_event",
        "bank_entry",
        "bank_import",
    ):
        op.drop_table(table)


def bank():
    op.create_table(
        "bank_import",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("imported_by", sa.String(length=200), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("booked", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", name="pk_bank_import"),
    )
    op.create_index("ix_bank_import_imported_at", "bank_import", ["imported_at"], unique=False)
    op.create_table(
        "bank_entry",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("account_iban", sa.String(length=34), nullable=False),
        sa.Column("entry_key", sa.String(length=64), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("reversal", sa.Boolean(), nullable=False),
        sa.Column("transactions", sa.Integer(), nullable=False),
        sa.Column("bank_reference", sa.String(length=140), nullable=False),
        sa.Column("counterparty_iban", sa.String(length=34), nullable=False),
        sa.Column("counterparty_name", sa.String(length=140), nullable=False),
        sa.Column("structured", sa.String(length=140), nullable=False),
        sa.Column("remittance", sa.Text(), nullable=False),
        sa.Column("end_to_end_id", sa.String(length=140), nullable=False),
        sa.Column("reason_code", sa.String(length=35), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("rule", sa.String(length=24), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("invoice_number", sa.String(length=32), nullable=True),
        sa.Column("top_up_id", sa.String(length=64), nullable=True),
        sa.Column("original_id", sa.Uuid(), nullable=True),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "amount_micros <> 0 AND mod(amount_micros, 10000) = 0", name="ck_bank_entry_whole_cents"
        ),
        sa.CheckConstraint(
            "status IN ('new', 'queued', 'matched', 'payout', 'other', 'outgoing', 'returned')",
            name="ck_bank_entry_status",
        ),
        sa.CheckConstraint(
            "(top_up_id IS NOT NULL) = (status = 'matched')", name="ck_bank_entry_matched_has_payment"
        ),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["bank_import.import_id"],
            name="fk_bank_entry_import_id_bank_import",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["original_id"],
            ["bank_entry.entry_id"],
            name="fk_bank_entry_original_id_bank_entry",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("entry_id", name="pk_bank_entry"),
        sa.UniqueConstraint(
            "account_iban", "entry_key", "part", name="uq_bank_entry_account_iban_entry_key_part"
        ),
    )
    op.create_index("ix_bank_entry_import_id", "bank_entry", ["import_id"], unique=False)
    op.create_index(
        "ix_bank_entry_open",
        "bank_entry",
        ["status", "created_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('new', 'queued')"),
    )
    op.create_index(
        "ix_bank_entry_counterparty_iban", "bank_entry", ["counterparty_iban", "amount_micros"], unique=False
    )
    op.create_index("ix_bank_entry_customer_id", "bank_entry", ["customer_id"], unique=False)
    op.create_index("ix_bank_entry_original_id", "bank_entry", ["original_id"], unique=False)
    op.create_table(
        "bank_entry_event",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["bank_entry.entry_id"],
            name="fk_bank_entry_event_entry_id_bank_entry",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("entry_id", "number", name="pk_bank_entry_event"),
    )
    op.create_table(
        "payer_account",
        sa.Column("iban", sa.String(length=34), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("learned_from", sa.Uuid(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("iban", "customer_id", name="pk_payer_account"),
    )


def addressees():
    op.add_column("mail_message", sa.Column("bounced_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("mail_message", sa.Column("bounce_reason", sa.String(length=500), nullable=True))
    op.create_index(
        "ix_mail_message_bounced",
        "mail_message",
        ["customer_id"],
        unique=False,
        postgresql_where=sa.text("bounced_at IS NOT NULL"),
    )
    op.create_table(
        "billing_addressee",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("addressee_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=True),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("delivery", sa.String(length=16), nullable=False),
        sa.Column("invoices", sa.Boolean(), nullable=False),
        sa.Column("payments", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("locale IN ('nl', 'en')", name="ck_billing_addressee_locale"),
        sa.CheckConstraint("role IN ('payer', 'bookkeeper', 'other')", name="ck_billing_addressee_role"),
        sa.CheckConstraint("delivery IN ('documents', 'notice')", name="ck_billing_addressee_delivery"),
        sa.CheckConstraint("invoices OR payments", name="ck_billing_addressee_gets_something"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_billing_addressee_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "addressee_id", name="pk_billing_addressee"),
        sa.UniqueConstraint("customer_id", "email", name="uq_billing_addressee_customer_id_email"),
    )


def vat_numbers():
    op.create_table(
        "vat_watch",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("vat_number", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(length=64), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('waiting', 'valid', 'invalid')", name="ck_vat_watch_status"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_vat_watch_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", name="pk_vat_watch"),
    )
    op.create_index("ix_vat_watch_next_check_at", "vat_watch", ["next_check_at"], unique=False)
    op.create_index("ix_vat_watch_status", "vat_watch", ["status"], unique=False)
    op.create_table(
        "vat_check",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("check_id", sa.Uuid(), nullable=False),
        sa.Column("vat_number", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("fault", sa.String(length=64), nullable=False),
        sa.Column("consultation_number", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("address", sa.String(length=500), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('valid', 'invalid', 'unavailable')", name="ck_vat_check_status"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_vat_check_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "check_id", name="pk_vat_check"),
    )
    op.create_index(
        "ix_vat_check_asked_at", "vat_check", ["customer_id", "vat_number", "asked_at"], unique=False
    )
