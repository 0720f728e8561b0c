"""What other systems' words mean: their ids, states and times, wherever their records come from."""
