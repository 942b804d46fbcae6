"""One script a chapter: every table and figure of the thesis that we reproduce, and the papers' own figures."""

from common.quiet import native_stderr_silenced

# Here, because it comes before all imports of a chapter, and of the processes that train for one.
with native_stderr_silenced():
    import keras  # noqa: F401
