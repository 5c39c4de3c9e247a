"""What can be wrong with the machine or the kit."""


class Unprepared(Exception):
    """The benchmark cannot begin; the text is a sentence with the next step."""
