#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Writes the API reference with Doxygen; each of its warnings is an error.

usage: reference.py DOXYGEN DOXYFILE

An undocumented member is one of those warnings, but for members whose meaning the language, the
standard library or a base class has fixed: see FIXED.
"""
import pathlib
import re
import shutil
import subprocess
import sys

UNDOCUMENTED = re.compile(r'warning: Member (?P<member>.*) \((?:function|friend|typedef|variable)\) of '
                          r'(?:class|struct) (?P<owner>\S.*) is not documented\.$')
FIXED = (
    # Assignment, comparison, "is there one?", and what a pointer does.
    r'operator(=|==|<=>| bool|\*|->)\(.*',
    # Construction by copy or move: OWNER is put in.
    r'OWNER\((const )?OWNER &&?\w*\).*',
    # The names of types that the standard gives to a result and to a coroutine.
    r'(value|error|result|promise)_type',
    # What a co_await calls.
    r'(await_ready|await_suspend|await_resume|operator co_await)\(.*',
)
FIXED_IN = {
    # The interface of std::expected.
    r'thole::result<.*>|thole::result': r'(result|has_value|value|value_or|error|emplace)\(.*|'
                                        r'explicit\(.*',
    # An instance, seen as the base of a class: Doxygen repeats all of the template.
    r'result< .* >': r'.*',
    # The interface of std::vector.
    r'thole::fixed_list<.*>|thole::fixed_list':
        r'(size|empty|data|begin|end|front|back|clear|operator\[\])\(.*|const_iterator',
    # What thole::operation says about each verb's own.
    r'thole::(.*::)?\w+_op(<.*>)?': r'(OWNER|accept_op|prepare|take)\(.*',
}


def is_fixed(member, owner):
    name = re.sub(r'<.*', '', owner).strip().rsplit('::', 1)[-1]
    patterns = [*FIXED, *(own for where, own in FIXED_IN.items() if re.fullmatch(where, owner))]
    return any(re.fullmatch(pattern.replace('OWNER', name), member) for pattern in patterns)


def complaints(text):
    for line in dict.fromkeys(text.splitlines()):  # a derived class repeats them
        match = UNDOCUMENTED.search(line)
        if not match or not is_fixed(match['member'], match['owner']):
            yield line


def main():
    doxygen, doxyfile = sys.argv[1:]
    text = pathlib.Path(doxyfile).read_text(encoding='utf-8')
    out = pathlib.Path(re.search(r'^OUTPUT_DIRECTORY *= *"(.*)"$', text, re.M)[1])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    done = subprocess.run([doxygen, doxyfile], stdin=subprocess.DEVNULL, check=False)
    found = list(complaints((out / 'warnings.txt').read_text(encoding='utf-8')))
    if found:
        print('\n'.join(found))
    if not (out / 'html' / 'index.html').exists():
        found.append('Doxygen wrote no reference')
        print(found[-1])
    return 1 if found or done.returncode else 0


if __name__ == '__main__':
    sys.exit(main())
