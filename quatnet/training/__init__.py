"""Training: the loop, batches, metrics, checkpoints, transfer and weight averaging."""
