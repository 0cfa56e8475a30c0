#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Plants one violation of each rule of tools/tidy in a small tree and checks that it is found.

Run it as tools/tidy --self-test.
"""
import pathlib
import tempfile

HEAD = '// SPDX-License-Identifier: BSL-1.0\n'
CLEAN = {
    'include/thole/thing.hpp': HEAD + '#pragma once\n#include <span>\n',
    'include/thole/thole.hpp': HEAD + '#pragma once\n#include <thole/thing.hpp>\n',
    'src/core/thing.cpp': HEAD + '#include "core/thing.hpp"\nint f() {\n    return 1;\n}\n',
    'src/core/thing.hpp': HEAD + '#pragma once\n#include <thole/thing.hpp>\nint f();\n',
    'src/posix/platform.hpp': HEAD + '#include <sys/socket.h>\n#include <cerrno>\n',
    'src/posix/epoll.cpp': HEAD + '#include "posix/platform.hpp"\n',
    'src/win/platform.hpp': HEAD + '#include <winsock2.h>\n',
    'src/win/iocp.cpp': HEAD + '#include "win/platform.hpp"\n',
    'tests/support/raw_peer_posix.cpp': HEAD + '#include <sys/socket.h>\n',
    'tests/bench/peer.cpp': HEAD + '#include <sys/epoll.h>\n',
    'tools/probe/main.cpp': HEAD + '#include <thole/thole.hpp>\nint main() {}\n',
}
LONG = '{\n' + '    ;\n' * 70 + '}\n'
# What is planted: a name, the file, its text, and words of the finding that must come of it.
PLANTS = [
    ('file length', 'src/core/a.cpp', HEAD + '\n' * 400, '401 lines'),
    ('line length', 'src/core/a.cpp', HEAD + '// ' + 'x' * 98 + '\n', '101 columns'),
    ('function', 'src/core/a.cpp', HEAD + 'void f() ' + LONG, 'function of 72 lines'),
    ('template', 'src/core/a.cpp', HEAD + 'template <class T>\nvoid f(T) ' + LONG, 'of 73 lines'),
    ('member', 'src/core/a.cpp', HEAD + 'struct a {\n a() : b{1}, c{2} ' + LONG + '};\n',
     'function of'),
    ('test body', 'tests/unit/a.cpp', HEAD + 'THOLE_TEST("a {", "") ' + LONG, 'function of 72'),
    ('python', 'tools/a.py', HEAD.replace('//', '#') + 'def f():\n' + '    f()\n' * 70,
     'of 71 lines'),
    ('shell', 'tools/a', '#!/bin/sh\n' + HEAD.replace('//', '#') + 'f() {\n' + ':\n' * 70 + '}\n',
     'of 72 lines'),
    ('licence', 'src/core/a.cpp', 'int f();\n', 'SPDX'),
    ('licence of a build file', 'src/meson.build', "files('a')\n", 'SPDX'),
    ('OS header in core', 'src/core/a.cpp', HEAD + '#include <sys/socket.h>\n', 'OS header'),
    ('OS header in posix', 'src/posix/epoll.cpp', HEAD + '# include <unistd.h>\n', 'OS header'),
    ('errno', 'src/core/a.cpp', HEAD + '#include <cerrno>\n', 'OS header'),
    ('OS header in win', 'src/win/iocp.cpp', HEAD + '#include <mswsock.h>\n', 'OS header'),
    ('OS header in a test', 'tests/unit/a.cpp', HEAD + '#include <windows.h>\n', 'raw-peer'),
    ('OS header in a tool', 'tools/probe/a.cpp', HEAD + '#include <netdb.h>\n', 'raw-peer'),
    ('public header to src', 'include/thole/a.hpp', HEAD + '#include "core/thing.hpp"\n',
     'a public header includes'),
    ('core to posix', 'src/core/a.cpp', HEAD + '#include "posix/platform.hpp"\n',
     'may not include'),
    ('core to sim', 'src/core/a.cpp', HEAD + '#include "sim/sim.hpp"\n', 'may not include'),
    ('posix to win', 'src/posix/epoll.cpp', HEAD + '#include "win/platform.hpp"\n',
     'may not include'),
    ('win to posix', 'src/win/iocp.cpp', HEAD + '#include "posix/platform.hpp"\n',
     'may not include'),
    ('header without its room', 'src/posix/epoll.cpp', HEAD + '#include "platform.hpp"\n',
     'named with its room'),
    ('tool to core', 'tools/probe/a.cpp', HEAD + '#include "core/thing.hpp"\n', 'public headers'),
    ('platform macro', 'src/core/a.cpp', HEAD + '#ifdef _WIN32\n#endif\n', 'asks for a platform'),
    ('platform macro, late', 'src/sim/a.cpp', HEAD + '#if 1 && defined(__linux__)\n#endif\n',
     'asks for a platform'),
    ('unmirrored posix', 'src/posix/a.cpp', HEAD, 'has no neighbour src/win/a.cpp'),
    ('unmirrored win', 'src/win/a.hpp', HEAD, 'has no neighbour src/posix/a.hpp'),
    ('header not by itself', 'include/thole/a.hpp', HEAD + '#pragma once\nstd::string a();\n',
     'not by itself with g++'),
    ('header without a guard', 'include/thole/a.hpp', HEAD + 'struct a {};\n', 'not by itself'),
    ('header that warns', 'include/thole/a.hpp',
     HEAD + '#pragma once\ninline char f(int a) { return a; }\n', 'not by itself'),
    ('header that leaks', 'include/thole/a.hpp', HEAD + '#pragma once\n#include <sys/socket.h>\n',
     'brings in an OS header'),
    ('umbrella', 'include/thole/thole.hpp', HEAD + '#pragma once\n#include <memory>\n',
     'includes <memory> directly'),
    ('umbrella budget', 'include/thole/thole.hpp',
     HEAD + '#pragma once\n#include <regex>\n#include <random>\n#include <ranges>\n', 'at most'),
    ('clang', 'src/core/a.cpp', HEAD + 'class a {\n    int b;\n};\na c() { return {}; }\n',
     'not clean with clang++'),
]


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding='utf-8')


def run(findings):
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)

        for path, text in CLEAN.items():
            write(root, path, text)
        for line in findings(root, root / 'generated'):
            wrong += 1
            print(f'found in the clean tree: {line}')
        for name, path, text, words in PLANTS:
            write(root, path, text)
            compiling = path.startswith('include/') or name == 'clang'
            found = findings(root, root / 'generated', compiling)
            if not any(path in line and words in line for line in found):
                wrong += 1
                print(f'not found: {name}')
            if path in CLEAN:
                write(root, path, CLEAN[path])
            else:
                (root / path).unlink()
    print(f'tidy --self-test: {len(PLANTS)} violations planted, {wrong} wrong')
    return 1 if wrong else 0
