"""Training the embedded models and the judge from scratch."""
