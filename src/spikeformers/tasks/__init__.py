"""Tasks: model, encoder, loss and metrics, wired."""
