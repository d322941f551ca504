"""Scoring on a Dask cluster; without `TRIAGE_SCORING_CLUSTER` nothing here is imported."""
