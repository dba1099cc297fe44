"""Why payments fail or come back: the bank's codes for direct debits, the schemes' reasons for cards."""

SEPA_REASONS = {
    "AC01": "Account identifier incorrect (i.e. invalid IBAN)",
    "AC04": "Account closed",
    "AC06": "Account blocked",
    "AG02": "Invalid bank operation code",
    "AM04": "Insufficient funds",
    "MD01": "No valid mandate",
    "MD06": "Disputed authorised transaction: return requested by the account holder",
    "MD07": "Account holder deceased",
    "MS02": "Refused by the account holder",
    "MS03": "Reason not specified",
    "SL01": "Blocked by a service of the account holder's bank",
}

CARD_REASONS = {
    "authentication_abandoned": "The authentication was abandoned.",
    "authentication_failed": "The authentication failed.",
    "authentication_required": "Authentication is required.",
    "card_declined": "The card was declined.",
    "card_expired": "The card has expired.",
    "inactive_card": "The card is not active.",
    "insufficient_funds": "There are insufficient funds.",
    "invalid_card_number": "The card number is invalid.",
    "invalid_cvv": "The security code is invalid.",
    "possible_fraud": "The payment was refused because of possible fraud.",
    "refused_by_issuer": "The bank that issued the card refused.",
    "unknown_reason": "The payment failed for an unknown reason.",
}


def usual_reason(method: str | None) -> str:
    return "AM04" if method == "directdebit" else "insufficient_funds"
