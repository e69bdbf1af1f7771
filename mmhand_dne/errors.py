"""The error that speaks to the user."""


class UserError(ValueError):
    """Bad input, in one sentence: the thing, what was found, what was wanted, a remedy.

    The tools print it without a traceback and end with exit status 2. A ``ValueError``
    of anything else is a defect and keeps its traceback.
    """
