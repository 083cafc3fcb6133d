"""How people write vehicles and phone numbers, in any script, as the one spelling that we keep."""

import re
import unicodedata

VEHICLE_NAME_LENGTH = 64
# E.164 numbers have at most 15 digits; short ones are a town's own.
PHONE_DIGITS = re.compile(r"\+?[0-9]{4,15}")
# Longer texts are not looked at: putting combining marks in order takes quadratic time.
LONGEST_RAW = 256
# Scripts of India write conjuncts with them; they are no letters of their own.
JOINERS = "\u200c\u200d"


def vehicle_name(text: str) -> str:
    """The name in NFC, with plain spaces. Letters include their combining marks and joiners.

    Raises ``ValueError``.
    """
    composed = unicodedata.normalize("NFC", text) if len(text) <= LONGEST_RAW else ""
    name = _spaced(composed)
    if not name or len(composed) > VEHICLE_NAME_LENGTH or not _is_vehicle_name(name):
        raise ValueError(
            f"must be 1 to {VEHICLE_NAME_LENGTH} letters with their marks, digits, spaces, '_', '-' or '.'"
        )
    return name


def _spaced(text: str) -> str:
    """No-break and other spaces as plain ones, none around it."""
    return "".join(" " if unicodedata.category(each) == "Zs" else each for each in text).strip(" ")


def _is_vehicle_name(name: str) -> bool:
    letter_before = False
    for character in name:
        continues = character in JOINERS or unicodedata.category(character).startswith("M")
        if continues and not letter_before:
            return False
        if not continues:
            letter_before = character.isalpha()
            if not (character.isalnum() or character in " _-."):
                return False
    return True


def phone_number(text: str) -> str:
    """A phone number as people and address books write it, as its digits behind an optional ``+``.

    Left out: every kind of space and dash, dots, slashes, brackets, marks of direction, and a ``(0)`` that is
    not dialled from abroad. A leading 00 is a ``+``. Raises ``ValueError``.
    """
    number = "".join(map(_dialled, text)) if len(text) <= LONGEST_RAW else ""
    if number.lstrip("(").startswith(("+", "00")):
        number = number.replace("(0)", "", 1)
    number = number.replace("(", "").replace(")", "")
    if number.startswith("00") and PHONE_DIGITS.fullmatch("+" + number[2:]):
        number = "+" + number[2:]
    if not PHONE_DIGITS.fullmatch(number):
        raise ValueError(
            "must be a phone number of 4 to 15 digits, best with its country, as in +91 98765 43210"
        )
    return number


def _dialled(character: str) -> str:
    """The character in a number: digits of any script in ours, nothing for what only groups them."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in "[]{}./\u2212" or unicodedata.category(character) in ("Zs", "Pd", "Cf"):
        return ""
    return {"\uff0b": "+", "\t": ""}.get(character, character)
