"""What every page has: who may look, what the address asks, the frame around it, when it is sent again."""
