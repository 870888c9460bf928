"""CLIPs of small worlds, trained as CLIP was: whole pictures, captions, a softmax over the batch."""
