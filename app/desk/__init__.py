"""Pages for the provider's own staff: the same parts as the portal, denser."""
