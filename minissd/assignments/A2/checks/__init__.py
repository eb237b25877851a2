"""Checks of A2: softmax and cross entropy, hard negative mining, and the multibox loss."""
