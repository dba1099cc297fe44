"""The first tables, slice by slice. Later migrations change them; this one is never undone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
# The provider's own movements (payouts, fees) belong to this customer.
HOUSE = """
INSERT INTO customer (customer_id, reference, name, email, kind, country, locale, currency, address_line1,
                      postal_code, city, provisional_limit_micros, status, created_at)
VALUES (1, 'house', 'House', 'house@tegoed.invalid', 'house', 'NL', 'nl', 'EUR', '', '', '', 0, 'active',
        '2026-01-01T00:00:00Z');
INSERT INTO customer_reference (reference, customer_id) VALUES ('house', 1);
INSERT INTO balance (customer_id, prepaid_micros, credits_micros, promo_micros, held_micros,
                     receivable_micros, overdraft_micros, last_transfer_number)
VALUES (1, 0, 0, 0, 0, 0, 0, 0);
"""


def upgrade():
    foundations()
    customers()
    ledger()
    topups()
    metering()
    invoicing()
    op.execute(HOUSE)


def downgrade():
    raise RuntimeError("The first migration is not undone: that would drop the ledger.")


def foundations():
    op.create_table(
        "idempotency_key",
        sa.Column("api_key_id", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("content_type", sa.String(length=64), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("api_key_id", "key", name="pk_idempotency_key"),
    )
    op.create_table(
        "mail_message",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("mail_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("text_body", sa.Text(), nullable=False),
        sa.Column("html_body", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=128), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('queued', 'sent', 'failed')", name="ck_mail_message_status"),
        sa.PrimaryKeyConstraint("customer_id", "mail_id", name="pk_mail_message"),
        sa.UniqueConstraint("customer_id", "dedupe_key", name="uq_mail_message_customer_id_dedupe_key"),
    )
    op.create_index(
        "ix_mail_message_queued",
        "mail_message",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_table(
        "number_series",
        sa.Column("prefix", sa.String(length=4), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", "year", name="pk_number_series"),
    )
    op.create_table(
        "scheduled_job",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_scheduled_job"),
    )
    op.create_table(
        "webhook_endpoint",
        sa.Column("endpoint_id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.String(length=64)), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=False),
        sa.Column("previous_secret", sa.String(length=128), nullable=True),
        sa.Column("previous_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_because", sa.String(length=16), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "disabled_because IN ('failing', 'gone')", name="ck_webhook_endpoint_disabled_because"
        ),
        sa.PrimaryKeyConstraint("endpoint_id", name="pk_webhook_endpoint"),
    )
    op.create_table(
        "webhook_message",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("event_type", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=160), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "message_id", name="pk_webhook_message"),
        sa.UniqueConstraint("customer_id", "dedupe_key", name="uq_webhook_message_customer_id_dedupe_key"),
    )
    op.create_index("ix_webhook_message_created_at", "webhook_message", ["created_at"], unique=False)
    op.create_table(
        "mail_attachment",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("mail_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("filename", sa.String(length=128), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "mail_id"],
            ["mail_message.customer_id", "mail_message.mail_id"],
            name="fk_mail_attachment_customer_id_mail_id_mail_message",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "mail_id", "position", name="pk_mail_attachment"),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("event_type", sa.String(length=64), nullable=False),
        sa.Column("endpoint_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('waiting', 'delivered', 'failed')", name="ck_webhook_delivery_status"),
        sa.ForeignKeyConstraint(
            ["customer_id", "message_id"],
            ["webhook_message.customer_id", "webhook_message.message_id"],
            name="fk_webhook_delivery_customer_id_message_id_webhook_message",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "delivery_id", name="pk_webhook_delivery"),
        sa.UniqueConstraint(
            "customer_id",
            "message_id",
            "endpoint_id",
            name="uq_webhook_delivery_customer_id_message_id_endpoint_id",
        ),
    )
    op.create_index(
        "ix_webhook_delivery_due",
        "webhook_delivery",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index("ix_webhook_delivery_number", "webhook_delivery", ["number"], unique=False)
    op.create_table(
        "webhook_attempt",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(length=1000), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "delivery_id"],
            ["webhook_delivery.customer_id", "webhook_delivery.delivery_id"],
            name="fk_webhook_attempt_customer_id_delivery_id_webhook_delivery",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "delivery_id", "number", name="pk_webhook_attempt"),
    )


def customers():
    op.execute("CREATE SEQUENCE customer_id_seq START WITH 1000")
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_by_user_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_key"),
    )
    op.create_table(
        "customer",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("vat_number", sa.String(length=20), nullable=True),
        sa.Column("address_line1", sa.String(length=200), nullable=False),
        sa.Column("postal_code", sa.String(length=16), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("payment_term_days", sa.Integer(), nullable=True),
        sa.Column("purchase_order", sa.String(length=64), nullable=True),
        sa.Column("provisional_limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('business', 'consumer', 'house')", name="ck_customer_kind"),
        sa.CheckConstraint("locale IN ('nl', 'en')", name="ck_customer_locale"),
        sa.CheckConstraint("status IN ('active', 'closed')", name="ck_customer_status"),
        sa.PrimaryKeyConstraint("customer_id", name="pk_customer"),
    )
    op.create_table(
        "customer_reference",
        sa.Column("reference", sa.String(length=64, collation="C"), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reference", name="pk_customer_reference"),
        sa.UniqueConstraint("customer_id", name="uq_customer_reference_customer_id"),
    )
    op.create_table(
        "user_account",
        sa.Column("user_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("is_operator", sa.Boolean(), nullable=False),
        sa.Column("session_version", sa.Integer(), nullable=False),
        sa.Column("last_sign_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_account"),
        sa.UniqueConstraint("email", name="uq_user_account_email"),
    )
    op.create_table(
        "membership",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('owner', 'billing', 'viewer')", name="ck_membership_role"),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.user_id"],
            name="fk_membership_user_id_user_account",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "user_id", name="pk_membership"),
    )
    op.create_index("ix_membership_user_id", "membership", ["user_id"], unique=False)
    op.create_table(
        "sign_in_code",
        sa.Column("code_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("code_hash", sa.String(length=200), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.user_id"],
            name="fk_sign_in_code_user_id_user_account",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("code_id", name="pk_sign_in_code"),
    )
    op.create_index("ix_sign_in_code_user_id", "sign_in_code", ["user_id", "created_at"], unique=False)


def ledger():
    op.create_table(
        "balance",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("prepaid_micros", sa.BigInteger(), nullable=False),
        sa.Column("credits_micros", sa.BigInteger(), nullable=False),
        sa.Column("promo_micros", sa.BigInteger(), nullable=False),
        sa.Column("held_micros", sa.BigInteger(), nullable=False),
        sa.Column("receivable_micros", sa.BigInteger(), nullable=False),
        sa.Column("overdraft_micros", sa.BigInteger(), nullable=False),
        sa.Column("low_mark_micros", sa.BigInteger(), nullable=True),
        sa.Column("attention_mark_micros", sa.BigInteger(), nullable=True),
        sa.Column("attention_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_transfer_number", sa.BigInteger(), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("credits_micros >= 0", name="ck_balance_credits_not_negative"),
        sa.CheckConstraint("held_micros >= 0", name="ck_balance_held_not_negative"),
        sa.CheckConstraint("promo_micros >= 0", name="ck_balance_promo_not_negative"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_balance_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", name="pk_balance"),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index(
        "ix_balance_attention_at",
        "balance",
        ["attention_at"],
        unique=False,
        postgresql_where=sa.text("attention_at IS NOT NULL"),
    )
    op.create_table(
        "grant",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("grant_id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=64), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("remaining_micros", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_micros > 0", name="ck_grant_amount_positive"),
        sa.CheckConstraint(
            "remaining_micros BETWEEN 0 AND amount_micros", name="ck_grant_remaining_within_amount"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["balance.customer_id"], name="fk_grant_customer_id_balance", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("customer_id", "grant_id", name="pk_grant"),
        sa.UniqueConstraint("customer_id", "public_id", name="uq_grant_customer_id_public_id"),
        sa.UniqueConstraint("customer_id", "reference", name="uq_grant_customer_id_reference"),
    )
    op.create_index(
        "ix_grant_open",
        "grant",
        ["customer_id"],
        unique=False,
        postgresql_where=sa.text("remaining_micros > 0"),
    )
    op.create_table(
        "hold",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("hold_id", sa.BigInteger(), nullable=False),
        sa.Column("public_id", sa.String(length=64), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captured_micros", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('open', 'captured', 'released', 'expired')", name="ck_hold_status"),
        sa.CheckConstraint("amount_micros >= 0", name="ck_hold_amount_not_negative"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["balance.customer_id"], name="fk_hold_customer_id_balance", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("customer_id", "hold_id", name="pk_hold"),
        sa.UniqueConstraint("customer_id", "public_id", name="uq_hold_customer_id_public_id"),
        sa.UniqueConstraint("customer_id", "reference", name="uq_hold_customer_id_reference"),
    )
    op.create_index(
        "ix_hold_open", "hold", ["expires_at"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_table(
        "ledger_seal",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("through_number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["balance.customer_id"],
            name="fk_ledger_seal_customer_id_balance",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "through_number", name="pk_ledger_seal"),
    )
    op.create_table(
        "transfer",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("debit", sa.String(length=16), nullable=False),
        sa.Column("credit", sa.String(length=16), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("balance_after_micros", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_micros > 0", name="ck_transfer_amount_positive"),
        sa.CheckConstraint("debit <> credit", name="ck_transfer_two_sides"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["balance.customer_id"],
            name="fk_transfer_customer_id_balance",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "number", name="pk_transfer"),
        sa.UniqueConstraint("customer_id", "reference", name="uq_transfer_customer_id_reference"),
    )


def topups():
    op.create_table(
        "webhook_call",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("webhook_call_id", sa.Uuid(), nullable=False),
        sa.Column("top_up_id", sa.String(length=64), nullable=False),
        sa.Column("mollie_payment_id", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", "webhook_call_id", name="pk_webhook_call"),
    )
    op.create_index("ix_webhook_call_top_up_id", "webhook_call", ["customer_id", "top_up_id"], unique=False)
    op.create_index(
        "ix_webhook_call_unhandled",
        "webhook_call",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("handled_at IS NULL"),
    )
    op.create_table(
        "consent",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("consent_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("text_version", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("creditor_name", sa.String(length=200), nullable=False),
        sa.Column("creditor_id", sa.String(length=64), nullable=False),
        sa.Column("ip_address", sa.String(length=45), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("api_key_id", sa.String(length=16), nullable=True),
        sa.Column("threshold_micros", sa.BigInteger(), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("target_micros", sa.BigInteger(), nullable=True),
        sa.Column("monthly_maximum_micros", sa.BigInteger(), nullable=True),
        sa.Column("calendar_micros", sa.BigInteger(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('save_method', 'automatic_top_up')", name="ck_consent_kind"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_consent_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "consent_id", name="pk_consent"),
    )
    op.create_table(
        "pay_link",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("pay_link_id", sa.String(length=64), nullable=False),
        sa.Column("invoice_number", sa.String(length=32), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("made_by_user_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(invoice_number IS NULL) <> (amount_micros IS NULL)", name="ck_pay_link_invoice_or_amount"
        ),
        sa.CheckConstraint("amount_micros > 0", name="ck_pay_link_amount_positive"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_pay_link_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "pay_link_id", name="pk_pay_link"),
    )
    op.create_table(
        "payment_method",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_method_id", sa.String(length=64), nullable=False),
        sa.Column("mollie_mandate_id", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("mandate_reference", sa.String(length=64), nullable=True),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("account_mask", sa.String(length=32), nullable=True),
        sa.Column("card_label", sa.String(length=64), nullable=True),
        sa.Column("card_expires_on", sa.String(length=10), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waits_for_customer", sa.Boolean(), nullable=False),
        sa.Column("last_failure_code", sa.String(length=64), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('pending', 'valid', 'revoked')", name="ck_payment_method_status"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_payment_method_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "payment_method_id", name="pk_payment_method"),
        sa.UniqueConstraint(
            "customer_id", "mollie_mandate_id", name="uq_payment_method_customer_id_mollie_mandate_id"
        ),
    )
    op.create_index(
        "ix_payment_method_unsettled",
        "payment_method",
        ["looked_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "psp_customer",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idempotency_key", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("mollie_customer_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_psp_customer_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", name="pk_psp_customer"),
    )
    op.create_table(
        "top_up_decision",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "charged",
                "above_threshold",
                "monthly_maximum",
                "hourly_limit",
                "daily_limit",
                "in_flight",
                "no_valid_method",
                "paused_after_failures",
                "disabled",
                name="reason",
                native_enum=False,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("available_micros", sa.BigInteger(), nullable=False),
        sa.Column("in_flight_micros", sa.BigInteger(), nullable=False),
        sa.Column("month_used_micros", sa.BigInteger(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("payment_method_id", sa.String(length=64), nullable=True),
        sa.Column("top_up_id", sa.String(length=64), nullable=True),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_top_up_decision_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "number", name="pk_top_up_decision"),
    )
    op.create_table(
        "auto_top_up",
        sa.Column("customer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("threshold_micros", sa.BigInteger(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("target_micros", sa.BigInteger(), nullable=True),
        sa.Column("monthly_maximum_micros", sa.BigInteger(), nullable=False),
        sa.Column("calendar_micros", sa.BigInteger(), nullable=True),
        sa.Column("calendar_on", sa.Date(), nullable=True),
        sa.Column("consent_id", sa.String(length=64), nullable=True),
        sa.Column("enabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures_in_row", sa.Integer(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_because", sa.String(length=24), nullable=True),
        sa.Column("evaluate_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(amount_micros IS NULL) <> (target_micros IS NULL)", name="ck_auto_top_up_amount_or_target"
        ),
        sa.CheckConstraint(
            "(calendar_micros IS NULL) = (calendar_on IS NULL)", name="ck_auto_top_up_calendar_has_day"
        ),
        sa.CheckConstraint(
            "NOT enabled OR consent_id IS NOT NULL", name="ck_auto_top_up_enabled_with_consent"
        ),
        sa.CheckConstraint(
            "monthly_maximum_micros >= amount_micros", name="ck_auto_top_up_maximum_covers_amount"
        ),
        sa.CheckConstraint(
            "monthly_maximum_micros >= calendar_micros", name="ck_auto_top_up_maximum_covers_calendar"
        ),
        sa.CheckConstraint("target_micros > threshold_micros", name="ck_auto_top_up_target_above_threshold"),
        sa.CheckConstraint("threshold_micros > 0", name="ck_auto_top_up_threshold_positive"),
        sa.ForeignKeyConstraint(
            ["customer_id", "consent_id"],
            ["consent.customer_id", "consent.consent_id"],
            name="fk_auto_top_up_customer_id_consent_id_consent",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_auto_top_up_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", name="pk_auto_top_up"),
    )
    op.create_index(
        "ix_auto_top_up_evaluate_at",
        "auto_top_up",
        ["evaluate_at"],
        unique=False,
        postgresql_where=sa.text("evaluate_at IS NOT NULL"),
    )
    op.create_table(
        "top_up",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("top_up_id", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.Column("purpose", sa.String(length=8), nullable=False),
        sa.Column("invoice_number", sa.String(length=32), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("fee_micros", sa.BigInteger(), nullable=False),
        sa.Column("fee_vat_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=True),
        sa.Column("sequence_type", sa.String(length=12), nullable=False),
        sa.Column("payment_method_id", sa.String(length=64), nullable=True),
        sa.Column("consent_id", sa.String(length=64), nullable=True),
        sa.Column("request_key", sa.String(length=128), nullable=False),
        sa.Column("return_url", sa.String(length=2000), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "requested",
                "submitting",
                "unknown",
                "open",
                "pending",
                "paid",
                "failed",
                "canceled",
                "expired",
                name="status",
                native_enum=False,
                length=12,
            ),
            nullable=False,
        ),
        sa.Column("idempotency_key", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("first_submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mollie_payment_id", sa.String(length=64), nullable=True),
        sa.Column("mollie_mandate_id", sa.String(length=64), nullable=True),
        sa.Column("checkout_url", sa.String(length=2000), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("provisional_micros", sa.BigInteger(), nullable=False),
        sa.Column("refunded_micros", sa.BigInteger(), nullable=False),
        sa.Column("charged_back_micros", sa.BigInteger(), nullable=False),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("failure_message", sa.String(length=500), nullable=True),
        sa.Column("problem", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(amount_micros = 0) = (purpose = 'method')", name="ck_top_up_nothing_paid_for_method"
        ),
        sa.CheckConstraint(
            "(purpose = 'invoice') = (invoice_number IS NOT NULL)", name="ck_top_up_invoice_has_number"
        ),
        sa.CheckConstraint("origin IN ('manual', 'automatic')", name="ck_top_up_origin"),
        sa.CheckConstraint("purpose IN ('balance', 'invoice', 'method')", name="ck_top_up_purpose"),
        sa.CheckConstraint(
            "sequence_type IN ('oneoff', 'first', 'recurring')", name="ck_top_up_sequence_type"
        ),
        sa.CheckConstraint(
            "amount_micros >= 0 AND mod(amount_micros, 10000) = 0", name="ck_top_up_amount_whole_cents"
        ),
        sa.CheckConstraint(
            "fee_micros >= 0 AND mod(fee_micros, 10000) = 0", name="ck_top_up_fee_whole_cents"
        ),
        sa.CheckConstraint("fee_vat_micros BETWEEN 0 AND fee_micros", name="ck_top_up_fee_vat_within_fee"),
        sa.CheckConstraint(
            "provisional_micros BETWEEN 0 AND amount_micros", name="ck_top_up_provisional_within_amount"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "consent_id"],
            ["consent.customer_id", "consent.consent_id"],
            name="fk_top_up_customer_id_consent_id_consent",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "payment_method_id"],
            ["payment_method.customer_id", "payment_method.payment_method_id"],
            name="fk_top_up_customer_id_payment_method_id_payment_method",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_top_up_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "top_up_id", name="pk_top_up"),
        sa.UniqueConstraint("customer_id", "request_key", name="uq_top_up_customer_id_request_key"),
    )
    op.create_index("ix_top_up_created_at", "top_up", ["customer_id", "created_at"], unique=False)
    op.create_index(
        "ix_top_up_look_at",
        "top_up",
        ["look_at"],
        unique=False,
        postgresql_where=sa.text("look_at IS NOT NULL"),
    )
    op.create_index("ix_top_up_mollie_payment_id", "top_up", ["mollie_payment_id"], unique=False)
    op.create_index(
        "ix_top_up_under_way",
        "top_up",
        ["customer_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('requested', 'submitting', 'unknown', 'open', 'pending')"),
    )
    op.create_index(
        "uq_top_up_mollie_payment_id",
        "top_up",
        ["customer_id", "mollie_payment_id"],
        unique=True,
        postgresql_where=sa.text("mollie_payment_id IS NOT NULL"),
    )
    op.create_index(
        "uq_top_up_one_automatic_attempt",
        "top_up",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("origin = 'automatic' AND status IN ('requested', 'submitting', 'unknown')"),
    )
    op.create_table(
        "chargeback",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("chargeback_id", sa.String(length=64), nullable=False),
        sa.Column("top_up_id", sa.String(length=64), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("reason_code", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id", "top_up_id"],
            ["top_up.customer_id", "top_up.top_up_id"],
            name="fk_chargeback_customer_id_top_up_id_top_up",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "chargeback_id", name="pk_chargeback"),
    )
    op.create_index("ix_chargeback_top_up_id", "chargeback", ["customer_id", "top_up_id"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("top_up_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id", "top_up_id"],
            ["top_up.customer_id", "top_up.top_up_id"],
            name="fk_receipt_customer_id_top_up_id_top_up",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "top_up_id", name="pk_receipt"),
        sa.UniqueConstraint("customer_id", "number", name="uq_receipt_customer_id_number"),
    )
    op.create_index(
        "ix_receipt_untold",
        "receipt",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("told_at IS NULL"),
    )
    op.create_table(
        "refund",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("refund_id", sa.String(length=64), nullable=False),
        sa.Column("top_up_id", sa.String(length=64), nullable=False),
        sa.Column("mollie_refund_id", sa.String(length=64), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "submitting",
                "unknown",
                "refused",
                "queued",
                "pending",
                "processing",
                "refunded",
                "failed",
                "canceled",
                name="refundstatus",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("request_key", sa.String(length=128), nullable=True),
        sa.Column("idempotency_key", sa.Uuid(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_message", sa.String(length=500), nullable=True),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_micros > 0", name="ck_refund_amount_positive"),
        sa.ForeignKeyConstraint(
            ["customer_id", "top_up_id"],
            ["top_up.customer_id", "top_up.top_up_id"],
            name="fk_refund_customer_id_top_up_id_top_up",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "refund_id", name="pk_refund"),
        sa.UniqueConstraint("customer_id", "mollie_refund_id", name="uq_refund_customer_id_mollie_refund_id"),
        sa.UniqueConstraint("customer_id", "request_key", name="uq_refund_customer_id_request_key"),
    )
    op.create_index(
        "ix_refund_look_at",
        "refund",
        ["look_at"],
        unique=False,
        postgresql_where=sa.text("look_at IS NOT NULL"),
    )
    op.create_index("ix_refund_top_up_id", "refund", ["customer_id", "top_up_id"], unique=False)


def metering():
    op.create_table(
        "meter",
        sa.Column("meter_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("event_type", sa.String(length=128), nullable=False),
        sa.Column("aggregation", sa.String(length=16), nullable=False),
        sa.Column("value_property", sa.String(length=128), nullable=True),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.Column("dimensions", sa.ARRAY(sa.String(length=64)), nullable=False),
        sa.Column("name", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("first_event_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "aggregation IN ('count', 'sum', 'max', 'unique', 'latest', 'weighted_sum')",
            name="ck_meter_aggregation",
        ),
        sa.PrimaryKeyConstraint("meter_id", name="pk_meter"),
        sa.UniqueConstraint("code", name="uq_meter_code"),
    )
    op.create_table(
        "meter_catalog",
        sa.Column("catalog_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("catalog_id = 1", name="ck_meter_catalog_one_row"),
        sa.PrimaryKeyConstraint("catalog_id", name="pk_meter_catalog"),
    )
    op.create_table(
        "usage_correction",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("billed_period_start", sa.Date(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("price_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("net_amount", sa.Numeric(), nullable=False),
        sa.Column("gross_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "customer_id",
            "billed_period_start",
            "period_start",
            "meter_id",
            "price_id",
            name="pk_usage_correction",
        ),
    )
    op.create_table(
        "usage_draw",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("grant_id", sa.Integer(), nullable=False),
        sa.Column("drawn_micros", sa.BigInteger(), nullable=False),
        sa.Column("late_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "period_start", "grant_id", name="pk_usage_draw"),
    )
    op.create_table(
        "usage_event",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=256, collation="C"), nullable=False),
        sa.Column("event_id", sa.String(length=128, collation="C"), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.String(length=128), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("prices", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("quantities", sa.ARRAY(sa.Numeric()), nullable=False),
        sa.Column("charges_micros", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("transfer_number", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_charges_micros", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("void_transfer_number", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", "source", "event_id", "month", name="pk_usage_event"),
        postgresql_partition_by="RANGE (month)",
    )
    # What no month's own partition takes; those are made ahead of time.
    op.execute("CREATE TABLE usage_event_rest PARTITION OF usage_event DEFAULT")
    op.create_index(
        "ix_usage_event_changed_at", "usage_event", ["changed_at"], unique=False, postgresql_using="brin"
    )
    op.create_index("ix_usage_event_time", "usage_event", ["time"], unique=False, postgresql_using="brin")
    op.create_table(
        "usage_hour",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("price_id", sa.Integer(), nullable=False),
        sa.Column("dimensions", sa.String(collation="C"), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("charge_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "customer_id", "hour", "meter_id", "price_id", "dimensions", "period_start", name="pk_usage_hour"
        ),
    )
    op.create_table(
        "usage_level",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("dimensions", sa.String(collation="C"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=256, collation="C"), nullable=False),
        sa.Column("event_id", sa.String(length=128, collation="C"), nullable=False),
        sa.Column("level", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint(
            "customer_id", "meter_id", "dimensions", "at", "source", "event_id", name="pk_usage_level"
        ),
    )
    op.create_table(
        "usage_rollup",
        sa.Column("rollup_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("rolled_up_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_from", sa.Date(), nullable=True),
        sa.CheckConstraint("rollup_id = 1", name="ck_usage_rollup_one_row"),
        sa.PrimaryKeyConstraint("rollup_id", name="pk_usage_rollup"),
    )
    op.create_table(
        "usage_series",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("dimensions", sa.String(collation="C"), nullable=False),
        sa.Column("level", sa.Numeric(), nullable=False),
        sa.Column("accrued_to", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "meter_id", "dimensions", name="pk_usage_series"),
    )
    op.create_index(
        "ix_usage_series_accrued_to",
        "usage_series",
        ["accrued_to"],
        unique=False,
        postgresql_where=sa.text("level <> 0"),
    )
    op.create_table(
        "usage_state",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("price_id", sa.Integer(), nullable=False),
        sa.Column("integral", sa.Numeric(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_source", sa.String(length=256, collation="C"), nullable=True),
        sa.Column("last_event_id", sa.String(length=128, collation="C"), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", "period_start", "meter_id", "price_id", name="pk_usage_state"),
    )
    op.create_table(
        "usage_total",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("price_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("gross_micros", sa.BigInteger(), nullable=False),
        sa.Column("late_quantity", sa.Numeric(), nullable=False),
        sa.Column("late_events", sa.BigInteger(), nullable=False),
        sa.Column("late_gross_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "period_start", "meter_id", "price_id", name="pk_usage_total"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "usage_value",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("price_id", sa.Integer(), nullable=False),
        sa.Column("value", sa.String(length=256, collation="C"), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "customer_id", "period_start", "meter_id", "price_id", "value", name="pk_usage_value"
        ),
    )
    op.create_table(
        "alert_crossing",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("available_micros", sa.BigInteger(), nullable=False),
        sa.Column("crossed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rearmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_alert_crossing_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "kind", "value", "number", name="pk_alert_crossing"),
    )
    op.create_index(
        "uq_alert_crossing_open",
        "alert_crossing",
        ["customer_id", "kind", "value"],
        unique=True,
        postgresql_where=sa.text("rearmed_at IS NULL"),
    )
    op.create_table(
        "alert_rule",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("refuses_holds", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "NOT refuses_holds OR kind = 'spending_limit'", name="ck_alert_rule_only_limits_refuse"
        ),
        sa.CheckConstraint(
            "kind IN ('amount', 'percentage', 'days', 'spending_limit')", name="ck_alert_rule_kind"
        ),
        sa.CheckConstraint("value > 0", name="ck_alert_rule_value_positive"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_alert_rule_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "kind", "value", name="pk_alert_rule"),
    )
    op.create_index(
        "uq_alert_rule_one_of_a_kind",
        "alert_rule",
        ["customer_id", "kind"],
        unique=True,
        postgresql_where=sa.text("kind IN ('days', 'spending_limit')"),
    )
    op.create_table(
        "meter_price",
        sa.Column("price_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("catalog_version", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=True),
        sa.Column("applies_when", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["meter_id"], ["meter.meter_id"], name="fk_meter_price_meter_id_meter", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("price_id", name="pk_meter_price"),
    )
    op.create_index("ix_meter_price_meter_id", "meter_price", ["meter_id"], unique=False)
    op.create_table(
        "usage_period",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("tax_category", sa.String(length=16), nullable=False),
        sa.Column("vat_rate", sa.Numeric(precision=6, scale=3), nullable=False),
        sa.Column("catalog_version", sa.BigInteger(), nullable=False),
        sa.Column("correction_prepaid_micros", sa.BigInteger(), nullable=False),
        sa.Column("correction_promo_micros", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closing_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('open', 'closing', 'closed')", name="ck_usage_period_status"),
        sa.CheckConstraint("period_start < period_end", name="ck_usage_period_not_empty"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["balance.customer_id"],
            name="fk_usage_period_customer_id_balance",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "period_start", name="pk_usage_period"),
    )
    op.create_index(
        "ix_usage_period_status_period_end", "usage_period", ["status", "period_end"], unique=False
    )


def invoicing():
    op.create_table(
        "close_run",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name="pk_close_run"),
    )
    op.create_index("ix_close_run_period_start", "close_run", ["period_start"], unique=False)
    op.create_table(
        "invoice_number",
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_invoice_number"),
    )
    op.create_table(
        "close_chunk",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("customer_ids", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("issued", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["close_run.run_id"], name="fk_close_chunk_run_id_close_run", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_close_chunk"),
    )
    op.create_index(
        "ix_close_chunk_open",
        "close_chunk",
        ["run_id"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "close_failure",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("solved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_close_failure_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "period_start", name="pk_close_failure"),
    )
    op.create_table(
        "invoice",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("close_key", sa.String(length=64), nullable=True),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("issue_date", sa.Date(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("seller", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("buyer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("original_number", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("net_cents", sa.BigInteger(), nullable=False),
        sa.Column("discount_cents", sa.BigInteger(), nullable=False),
        sa.Column("vat_cents", sa.BigInteger(), nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("credits_used_cents", sa.BigInteger(), nullable=False),
        sa.Column("credits_left_cents", sa.BigInteger(), nullable=False),
        sa.Column("prepaid_cents", sa.BigInteger(), nullable=False),
        sa.Column("due_cents", sa.BigInteger(), nullable=False),
        sa.Column("offset_cents", sa.BigInteger(), nullable=False),
        sa.Column("to_credits_cents", sa.BigInteger(), nullable=False),
        sa.Column("balance", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("settled_micros", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("credited_cents", sa.BigInteger(), nullable=False),
        sa.Column("request_key", sa.String(length=128), nullable=True),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name="ck_invoice_kind"),
        sa.CheckConstraint(
            "credited_cents BETWEEN 0 AND total_cents", name="ck_invoice_credited_within_total"
        ),
        sa.CheckConstraint(
            "settled_micros BETWEEN 0 AND due_cents * 10000", name="ck_invoice_settled_within_due"
        ),
        sa.CheckConstraint(
            "total_cents = credits_used_cents + prepaid_cents + due_cents + offset_cents + to_credits_cents",
            name="ck_invoice_settlement",
        ),
        sa.CheckConstraint("total_cents = net_cents - discount_cents + vat_cents", name="ck_invoice_total"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.customer_id"],
            name="fk_invoice_customer_id_customer",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "invoice_id", name="pk_invoice"),
        sa.UniqueConstraint("customer_id", "close_key", name="uq_invoice_customer_id_close_key"),
        sa.UniqueConstraint("customer_id", "number", name="uq_invoice_customer_id_number"),
        sa.UniqueConstraint("customer_id", "request_key", name="uq_invoice_customer_id_request_key"),
    )
    op.create_index("ix_invoice_issued", "invoice", ["customer_id", "issued_at"], unique=False)
    op.create_index(
        "ix_invoice_outstanding",
        "invoice",
        ["customer_id", "due_date"],
        unique=False,
        postgresql_where=sa.text("settled_micros < due_cents * 10000"),
    )
    op.create_table(
        "allocation",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("allocation_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("top_up_id", sa.String(length=64), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_micros <> 0", name="ck_allocation_amount_not_zero"),
        sa.ForeignKeyConstraint(
            ["customer_id", "invoice_id"],
            ["invoice.customer_id", "invoice.invoice_id"],
            name="fk_allocation_customer_id_invoice_id_invoice",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "allocation_id", name="pk_allocation"),
        sa.UniqueConstraint("customer_id", "reference", name="uq_allocation_customer_id_reference"),
    )
    op.create_index("ix_allocation_invoice", "allocation", ["customer_id", "invoice_id"], unique=False)
    op.create_index("ix_allocation_top_up", "allocation", ["customer_id", "top_up_id"], unique=False)
    op.create_table(
        "held_document",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("problems", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id", "invoice_id"],
            ["invoice.customer_id", "invoice.invoice_id"],
            name="fk_held_document_customer_id_invoice_id_invoice",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "invoice_id", name="pk_held_document"),
    )
    op.create_index(
        "ix_held_document_open",
        "held_document",
        ["held_at"],
        unique=False,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "invoice_document",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id", "invoice_id"],
            ["invoice.customer_id", "invoice.invoice_id"],
            name="fk_invoice_document_customer_id_invoice_id_invoice",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "invoice_id", "kind", name="pk_invoice_document"),
    )
    op.create_table(
        "invoice_line",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("meter", sa.String(length=128), nullable=False),
        sa.Column("names", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("dimensions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("price_base", sa.Integer(), nullable=False),
        sa.Column("tier_above", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("tier_up_to", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("net_cents", sa.BigInteger(), nullable=False),
        sa.Column("tax_category", sa.String(length=2), nullable=False),
        sa.Column("tax_percent", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.Column("correction_of", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id", "invoice_id"],
            ["invoice.customer_id", "invoice.invoice_id"],
            name="fk_invoice_line_customer_id_invoice_id_invoice",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "invoice_id", "position", name="pk_invoice_line"),
    )
    op.create_table(
        "invoice_tax",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(length=2), nullable=False),
        sa.Column("percent", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.Column("lines_cents", sa.BigInteger(), nullable=False),
        sa.Column("discount_cents", sa.BigInteger(), nullable=False),
        sa.Column("taxable_cents", sa.BigInteger(), nullable=False),
        sa.Column("vat_cents", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("taxable_cents = lines_cents - discount_cents", name="ck_invoice_tax_taxable"),
        sa.ForeignKeyConstraint(
            ["customer_id", "invoice_id"],
            ["invoice.customer_id", "invoice.invoice_id"],
            name="fk_invoice_tax_customer_id_invoice_id_invoice",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "invoice_id", "position", name="pk_invoice_tax"),
    )
