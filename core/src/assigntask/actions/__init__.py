"""How anything changes: rights, access, what guards say, then one unit with the change, its events, its deliveries."""
