"""The PRA (RFC 4407) by us and by other parsers: the same header sections, one pinned core."""
