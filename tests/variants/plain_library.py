#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The variants test what they say: one library has exceptions and RTTI in it, the other neither.

usage: plain_library.py NM PLAIN ORDINARY
"""
import subprocess
import sys

MARKS = {
    'exceptions': ('__gxx_personality_v0', '__cxa_throw'),
    'RTTI': ('typeinfo for thole::', 'typeinfo name for thole::'),
}


def marks(nm, library):
    names = subprocess.run([nm, '-C', library], check=True, capture_output=True, text=True).stdout
    return {what for what, words in MARKS.items() if any(word in names for word in words)}


def main():
    nm, plain, ordinary = sys.argv[1:]
    found, usual = marks(nm, plain), marks(nm, ordinary)
    if found:
        print(f'{plain} has {" and ".join(sorted(found))}')
    if usual != set(MARKS):
        print(f'{ordinary} has no {" and no ".join(sorted(set(MARKS) - usual))}: '
              'what is looked for proves nothing')
    return 1 if found or usual != set(MARKS) else 0


if __name__ == '__main__':
    sys.exit(main())
