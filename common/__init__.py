"""What two or more chapters share: data, cleaning, networks, training, metrics, results and artifacts."""

import os

# TensorFlow reads this when it is first imported; its start-up notices would bury our own messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
