"""Other SPF implementations beside ours: the same zone, the same connections, one pinned core."""
