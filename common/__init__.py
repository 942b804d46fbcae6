"""What two or more chapters share: data, cleaning, networks, training, metrics, results and artifacts."""
