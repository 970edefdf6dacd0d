"""One kind of error for everything a user can cause: a line that names the file and the reason."""


class BrinkError(Exception):
    """An input cannot be read or is not supported; the command ends with status 3.

    The text may quote what a damaged file holds, so it is made one printable line here."""

    def __init__(self, text):
        line = "".join(c if c.isprintable() else " " for c in text)
        super().__init__(" ".join(line.split())[:500])


class UsageError(Exception):
    """The command line is wrong; the command ends with status 2."""
