"""What an app can do: its `ctx` and its storage, in the host's loop."""
