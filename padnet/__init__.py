"""Chapter 7: phase regions from raw X-ray images (PADNet). Not built yet."""
