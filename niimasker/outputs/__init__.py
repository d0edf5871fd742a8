"""What is written: tables and their provenance."""
