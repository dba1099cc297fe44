"""The words on the sandbox's own pages, amounts and times, as Dutch and English write them."""

from datetime import datetime
from zoneinfo import ZoneInfo

TEXTS: dict[str, dict[str, str]] = {
    "nl": {
        "test_environment": "Testomgeving",
        "no_money": "Hier gaat geen geld om. Jij bepaalt hoe de betaling afloopt.",
        "pay": "Betalen",
        "choose_method": "Hoe wil je betalen?",
        "other_method": "Andere betaalmethode",
        "ending": "Hoe loopt deze betaling af?",
        "paid_button": "Betaald",
        "failed_button": "Mislukt",
        "canceled_button": "Geannuleerd",
        "expired_button": "Verlopen",
        "open_button": "Nog niet betalen, terug naar de website",
        "reason": "Reden als de betaling mislukt",
        "usual_reason": "Geen bijzondere reden",
        "mandate": "Met deze betaling geef je een machtiging voor volgende betalingen.",
        "mandate_pending": "De machtiging is nog niet meteen geldig",
        "recurring": "Deze betaling gaat via een machtiging. Je kunt hier alleen de afloop kiezen.",
        "afterwards": "Wat gebeurt er daarna met deze betaling?",
        "refund_button": "Terugbetalen",
        "chargeback_button": "Terugboeken",
        "back": "Terug naar de website",
        "nothing_left": "Van deze betaling is niets meer over.",
        "overview": "Laatste betalingen",
        "empty": "Er zijn nog geen betalingen.",
        "when": "Wanneer",
        "description": "Omschrijving",
        "method": "Methode",
        "amount": "Bedrag",
        "status": "Status",
        "bank_hint": "Maak het bedrag over naar {account}, met kenmerk {reference}.",
        "status.open": "Open",
        "status.pending": "In behandeling",
        "status.authorized": "Geautoriseerd",
        "status.paid": "Betaald",
        "status.failed": "Mislukt",
        "status.canceled": "Geannuleerd",
        "status.expired": "Verlopen",
        "refunded": "{amount} terugbetaald",
        "charged_back": "{amount} teruggeboekt",
        "not_found": "Deze betaling kennen we niet.",
    },
    "en": {
        "test_environment": "Test environment",
        "no_money": "No money moves here. You decide how the payment ends.",
        "pay": "Payment",
        "choose_method": "How would you like to pay?",
        "other_method": "Another payment method",
        "ending": "How does this payment end?",
        "paid_button": "Paid",
        "failed_button": "Failed",
        "canceled_button": "Canceled",
        "expired_button": "Expired",
        "open_button": "Don't pay yet, back to the website",
        "reason": "Reason if the payment fails",
        "usual_reason": "No particular reason",
        "mandate": "With this payment you give a mandate for later payments.",
        "mandate_pending": "The mandate does not become valid at once",
        "recurring": "This payment runs on a mandate. You need do nothing, but may choose how it ends.",
        "afterwards": "What happens to this payment next?",
        "refund_button": "Refund",
        "chargeback_button": "Charge back",
        "back": "Back to the website",
        "nothing_left": "Nothing is left of this payment.",
        "overview": "Latest payments",
        "empty": "There are no payments yet.",
        "when": "When",
        "description": "Description",
        "method": "Method",
        "amount": "Amount",
        "status": "Status",
        "bank_hint": "Transfer the amount to {account}, with reference {reference}.",
        "status.open": "Open",
        "status.pending": "Pending",
        "status.authorized": "Authorised",
        "status.paid": "Paid",
        "status.failed": "Failed",
        "status.canceled": "Canceled",
        "status.expired": "Expired",
        "refunded": "{amount} refunded",
        "charged_back": "{amount} charged back",
        "not_found": "We do not know this payment.",
    },
}
REASONS_NL = {
    "AC01": "Rekeningnummer onjuist",
    "AC04": "Rekening opgeheven",
    "AC06": "Rekening geblokkeerd",
    "AG02": "Transactiecode onjuist",
    "AM04": "Onvoldoende saldo",
    "MD01": "Geen geldige machtiging",
    "MD06": "Rekeninghouder is het er niet mee eens",
    "MD07": "Rekeninghouder overleden",
    "MS02": "Geweigerd door de rekeninghouder",
    "MS03": "Reden niet opgegeven",
    "SL01": "Geblokkeerd door de bank van de rekeninghouder",
    "authentication_abandoned": "Verificatie afgebroken",
    "authentication_failed": "Verificatie mislukt",
    "authentication_required": "Verificatie nodig",
    "card_declined": "Kaart geweigerd",
    "card_expired": "Kaart verlopen",
    "inactive_card": "Kaart niet actief",
    "insufficient_funds": "Onvoldoende saldo",
    "invalid_card_number": "Kaartnummer ongeldig",
    "invalid_cvv": "Beveiligingscode ongeldig",
    "possible_fraud": "Mogelijk fraude",
    "refused_by_issuer": "Geweigerd door de kaartuitgever",
    "unknown_reason": "Reden onbekend",
}
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def language_of(locale: str | None) -> str:
    return "nl" if (locale or "").startswith("nl") else "en"


def amount_text(cents: int, language: str) -> str:
    """€ 1.234,50 in Dutch, €1,234.50 in English."""
    english = f"{cents // 100:,}.{cents % 100:02d}"
    if language == "en":
        return f"€{english}"
    return "€\N{NO-BREAK SPACE}" + english.translate(str.maketrans(",.", ".,"))


def moment_text(moment: datetime, language: str) -> str:
    local = moment.astimezone(AMSTERDAM)
    return local.strftime("%d-%m-%Y %H.%M" if language == "nl" else "%d/%m/%Y %H:%M")
