"""Customers, the people who act for them, how they sign in, and the keys of programs."""
