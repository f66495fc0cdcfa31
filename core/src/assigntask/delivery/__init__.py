"""Apps that run on their vendor's machine: how they are found, called and given their credentials."""
