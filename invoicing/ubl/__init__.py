"""Invoices and credit notes as UBL 2.1: built by us, checked by the official rules before they are sent.

`document.xml_of` builds, `rules.problems_of` checks. Nothing here touches the database.
"""
