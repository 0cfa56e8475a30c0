#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Turns the C++ blocks of Markdown files into sources that the build compiles.

usage: blocks.py write OUTDIR PATH...   writes the sources and prints what was read and written:
                                        "file PATH", "program NAME.cpp", "fragments NAME.cpp"
       blocks.py check OUTDIR PATH...   fails where the files say something else by now

A PATH is a Markdown file, or a folder of them that need not be there.

A block with `int main` is a program of its own, and it is run. Every other block is a fragment: all
fragments of a file are compiled as one source, each in a namespace of its own, with
<thole/thole.hpp> before them. A fragment holds declarations, unless the comment
`<!-- in: SIGNATURE -->` stands above it: then it is the body of that function. A compiler's error
names the Markdown file and its line.
"""
import pathlib
import re
import sys

BLOCK = re.compile(r'(?:^<!-- in: (?P<function>[^\n]*) -->\n+)?'
                   r'^```cpp[ \t]*\n(?P<body>.*?)^```', re.M | re.S)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include\b.*$', re.M)
FENCE = re.compile(r'^[ \t]*```[ \t]*(?:cpp|c\+\+|cxx|cc)(?!\w)', re.M | re.I)


class Malformed(Exception):
    pass


def fragment(number, function, body, where):
    opened, closed = f'namespace block_{number} {{\n', '}\n'
    if function:
        opened += f'using namespace thole;\nusing namespace std::chrono_literals;\n{function} {{\n'
        closed += '}\n'
    return f'{opened}{where}{INCLUDE.sub("", body)}{closed}'


def sources(path):
    """The sources of one file: name and text."""
    text = path.read_text(encoding='utf-8')
    blocks = list(BLOCK.finditer(text))
    if len(blocks) != len(FENCE.findall(text)):
        raise Malformed(f'{path}: a C++ block that is indented, has more words after its language '
                        'than that, or no end')
    stem = re.sub(r'\W', '_', path.stem.lower())
    includes, fragments = '#include <thole/thole.hpp>\n', ''
    for number, block in enumerate(blocks, 1):
        body = block['body']
        line = text.count('\n', 0, block.start('body')) + 1
        where = f'#line {line} "{path.as_posix()}"\n'
        if re.search(r'^int main\(', body, re.M):
            yield 'program', f'{stem}_{number}.cpp', where + body
        else:
            for include in INCLUDE.finditer(body):
                at = line + body.count('\n', 0, include.start())
                includes += f'#line {at} "{path.as_posix()}"\n{include[0]}\n'
            fragments += fragment(number, block['function'], body, where)
    if fragments:
        yield 'fragments', f'{stem}_fragments.cpp', includes + fragments


def markdown(paths):
    for path in paths:
        yield from [path] if path.suffix == '.md' else sorted(path.glob('*.md'))


def main():
    how, folder, *paths = sys.argv[1:]
    folder = pathlib.Path(folder)
    stale = []
    for path in markdown(map(pathlib.Path, paths)):
        if how == 'write':
            print('file', path)
        for kind, name, text in sources(path):
            made = folder / name
            same = made.exists() and made.read_text(encoding='utf-8') == text
            if how == 'check' and not same:
                stale.append(f'{path}: {name} was not compiled as it stands there')
            elif how == 'write':
                print(kind, name)
                if not same:
                    made.write_text(text, encoding='utf-8')
    if stale:
        print('\n'.join(stale), 'run: meson setup --reconfigure BUILDFOLDER', sep='\n')
    return 1 if stale else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except Malformed as wrong:
        sys.exit(str(wrong))
