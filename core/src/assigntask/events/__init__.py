"""What happened, and to whom it is still to be told: rows written in the transaction of the change."""
