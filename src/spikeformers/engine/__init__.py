"""Training and evaluation on Lightning's Trainer."""
