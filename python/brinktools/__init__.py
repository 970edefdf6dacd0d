"""brinktools: gets, converts and checks the models that brink runs."""

__version__ = "0.1.0"
