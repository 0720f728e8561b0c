"""What is kept for some time only, and for how many days. docs/operations.md has the same table."""

IDEMPOTENCY_KEY_DAYS = 30
REJECTION_DAYS = 14
DELIVERY_DAYS = 30
"""Of an event, after it was delivered, given up or dropped."""
EVENT_DAYS = 30
"""Of what is known of an event that came in."""
SENDER_STATE_DAYS = 400
"""Of the states that senders have told of one thing, by which later ones are understood."""
JOB_LOG_DAYS = 90
"""After the end of the job."""
EXPIRED_TOKEN_DAYS = 90
"""Of what is known of a token, after it expired."""
