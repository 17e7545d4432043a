"""The parts of the second verifier; ../verify.py is the command."""
