"""Pure functions on tensors, each fast form beside its slow, obvious reference."""
