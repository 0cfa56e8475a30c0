#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What the binaries that users get contain, and what they must not.

usage: symbols.py scripted NM LIBRARY       nothing of the scripted system layer is in it
       symbols.py namespace NM LIBRARY      every strong symbol it offers is of namespace thole
       symbols.py with|without NM PROGRAM BACKEND…
                                            these backends are in it, or none of them is
       symbols.py imports OBJDUMP EXE...    a Windows program never imports MSWSOCK
"""
import re
import subprocess
import sys


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def scripted(nm, library):
    names = output(nm, '-C', '--defined-only', library).splitlines()
    if not any('thole::' in name for name in names):
        return [f'{library} has no symbol of thole: is it the library?']
    # "descriptor" is no script.
    return [name for name in names if re.search(r'(?<!de)script', name, re.I)]


def strong_aliens(nm, library):
    dynamic = ['-D'] if '.so' in library else []
    aliens = []
    for line in output(nm, '-C', '--defined-only', '--extern-only', *dynamic, library).splitlines():
        match = re.match(r'[0-9a-f]+ ([TDBR]) (.*)', line)
        if match and 'thole::' not in match[2]:
            aliens.append(match[2])
    return aliens


CLASSES = {'sim': 'sim', 'select': 'select_reactor', 'io_uring': 'uring'}


def backends_in(nm, program):
    lines = output(nm, '-C', '--defined-only', program).splitlines()
    return {name for name, kind in CLASSES.items()
            if any(re.search(rf'vtable for thole::detail::(.*::)?{kind}$', line) for line in lines)}


def with_backends(nm, program, *names):
    return [f'{program} has no {name}' for name in sorted(set(names) - backends_in(nm, program))]


def without_backends(nm, program, *names):
    return [f'{program} has {name}' for name in sorted(backends_in(nm, program) & set(names))]


def imports(objdump, *programs):
    wrong = []
    for program in programs:
        dlls = re.findall(r'DLL Name: (\S+)', output(objdump, '-p', program))
        print(program, *dlls)
        if not any(dll.upper() == 'WS2_32.DLL' for dll in dlls):
            wrong.append(f'{program} does not import WS2_32: is it the right program?')
        wrong += [f'{program} imports {dll}' for dll in dlls if dll.upper() == 'MSWSOCK.DLL']
    return wrong


def main():
    checks = {'scripted': scripted, 'namespace': strong_aliens, 'with': with_backends,
              'without': without_backends, 'imports': imports}
    wrong = checks[sys.argv[1]](*sys.argv[2:])
    print('\n'.join(wrong))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
