"""Groups with latent vectors from a population; its parameters integrated out."""
