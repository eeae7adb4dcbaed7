"""The one place that holds the version; the build reads it from here."""

#: The version, as a string: ``"major.minor.patch"``.
__version__ = "0.1.0"
