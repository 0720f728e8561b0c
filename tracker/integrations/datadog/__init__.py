"""The DORA metrics API of Datadog, for clients that speak it."""

from tracker.integrations.base import Integration
from tracker.integrations.datadog.answers import PREFIX, render
from tracker.integrations.datadog.routes import DatadogController

INTEGRATION = Integration(name="datadog", handlers=[DatadogController], error_shapes={PREFIX: render})
