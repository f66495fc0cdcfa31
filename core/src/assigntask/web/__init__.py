"""What people see. For now one page for whoever sits at this machine: the board and the app directory."""
