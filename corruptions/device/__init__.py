"""Cross-device discrepancy and device failures: one model per file."""
