"""Declare sources, features and a model; get the governed Dagster asset graph."""
