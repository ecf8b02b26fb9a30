"""Evaluation: measures, figures and reports."""
