"""Chapter 5: transfer learning from OQMD to smaller data sets. Not built yet."""
