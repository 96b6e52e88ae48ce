"""What a soak does: executions twice over with the same choices, and a process looked over."""
