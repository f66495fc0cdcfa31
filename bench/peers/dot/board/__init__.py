"""What the peer keeps: tasks and the people in them, about as much of each as a record of ours holds."""
