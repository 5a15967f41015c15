"""Re-creations of defects of the paper's released code, for comparison only. Nothing else in quatnet uses them."""
