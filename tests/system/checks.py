# SPDX-License-Identifier: ISC
"""What the tests in Python share: checks that count, and a closing line."""
passed = failed = 0


def check(good, message):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAILED:", message)


def report():
    print(f"{passed} passed, {failed} failed")
