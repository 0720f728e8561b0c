"""Other systems' events coming in: whose they are, what they tell, and what becomes of them."""
