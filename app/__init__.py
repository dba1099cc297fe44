"""Tegoed's foundations and web shell. Imports nothing, so that any part can be imported alone."""
