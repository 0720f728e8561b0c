"""What schemathesis has to be told: NDJSON is sent as text."""

import schemathesis

schemathesis.serializer.alias("application/x-ndjson", "text/plain")
