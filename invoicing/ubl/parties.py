"""Seller and buyer as UBL states them: address, VAT number, registration, electronic address."""

from invoicing.ubl.elements import Element, add, add_if
from invoicing.ubl.profiles import Party, endpoint_of


def add_seller(parent: Element, seller: Party, *, with_vat: bool) -> None:
    party = add(add(parent, "cac:AccountingSupplierParty"), "cac:Party")
    _endpoint(party, seller)
    add(add(party, "cac:PartyName"), "cbc:Name", seller["name"])
    _address(party, seller)
    _tax_scheme(party, seller, with_vat=with_vat)
    legal = add(party, "cac:PartyLegalEntity")
    add(legal, "cbc:RegistrationName", seller["legal_name"])
    scheme = {"schemeID": "0106"} if seller["country"] == "NL" else {}
    add_if(legal, "cbc:CompanyID", seller.get("kvk_number"), **scheme)
    contact = add(party, "cac:Contact")
    add(contact, "cbc:Name", seller["name"])
    add_if(contact, "cbc:Telephone", seller.get("support_phone"))
    add_if(contact, "cbc:ElectronicMail", seller.get("support_email"))


def add_buyer(parent: Element, buyer: Party, *, with_vat: bool) -> None:
    party = add(add(parent, "cac:AccountingCustomerParty"), "cac:Party")
    if buyer.get("kind") != "consumer":
        _endpoint(party, buyer)
    add(add(party, "cac:PartyIdentification"), "cbc:ID", buyer["reference"])
    _address(party, buyer)
    _tax_scheme(party, buyer, with_vat=with_vat)
    add(add(party, "cac:PartyLegalEntity"), "cbc:RegistrationName", buyer["name"])
    if buyer.get("email"):
        add(add(party, "cac:Contact"), "cbc:ElectronicMail", buyer["email"])


def _endpoint(party: Element, facts: Party) -> None:
    endpoint = endpoint_of(facts)
    if endpoint is not None:
        add(party, "cbc:EndpointID", endpoint[1], schemeID=endpoint[0])


def _address(party: Element, facts: Party) -> None:
    address = add(party, "cac:PostalAddress")
    add_if(address, "cbc:StreetName", facts.get("address_line1"))
    add_if(address, "cbc:CityName", facts.get("city"))
    add_if(address, "cbc:PostalZone", facts.get("postal_code"))
    add(add(address, "cac:Country"), "cbc:IdentificationCode", facts["country"])


def _tax_scheme(party: Element, facts: Party, *, with_vat: bool) -> None:
    if with_vat and facts.get("vat_number"):
        scheme = add(party, "cac:PartyTaxScheme")
        add(scheme, "cbc:CompanyID", facts["vat_number"])
        add(add(scheme, "cac:TaxScheme"), "cbc:ID", "VAT")
