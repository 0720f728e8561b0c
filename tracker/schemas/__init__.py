"""Bodies that clients send, strictly validated, and what they are answered."""
