"""What all HTTP resources share."""
