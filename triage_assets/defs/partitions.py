"""How work is divided: one partition per organization of the annotator, registered as organizations are discovered."""

import dagster as dg

organizations = dg.DynamicPartitionsDefinition(name="organizations")
