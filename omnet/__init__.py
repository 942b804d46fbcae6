"""Chapter 6: crystal orientation from EBSD patterns (OMNet). Not built yet."""
