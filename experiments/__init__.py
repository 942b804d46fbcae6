"""One script a chapter: every table and figure of the thesis that we reproduce, and the papers' own figures."""
