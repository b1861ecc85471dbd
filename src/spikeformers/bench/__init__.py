"""What is made of finished runs: reports, figures, measurements side by side."""
