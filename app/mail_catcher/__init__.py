"""A mailbox for demonstrations: takes every mail by SMTP, sends none on, shows them on a page and as JSON."""
