# SPDX-License-Identifier: BSL-1.0
"""Where and with what it was measured."""
import os
import pathlib
import platform
import re
import subprocess

PACKAGES = ('liburing-dev', 'libboost1.81-dev', 'libuv1-dev', 'libevent-dev', 'valgrind', 'strace',
            'libc6')


def output(*line):
    try:
        return subprocess.run(line, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ''


def processor():
    text = pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8')
    found = re.search(r'^model name\s*: (.*)', text, re.M)
    return found[1] if found else platform.machine()


def describe():
    versions = {}
    for line in output('dpkg-query', '-W', '-f', '${Package} ${Version}\n', *PACKAGES).splitlines():
        name, _, version = line.partition(' ')
        versions[name] = version
    here = pathlib.Path(__file__).parent
    system = platform.freedesktop_os_release()['PRETTY_NAME']
    return {'kind': 'machine', 'processor': processor(), 'cores': os.cpu_count(),
            'memory_mb': os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 2 ** 20,
            'kernel': platform.release(), 'system': system,
            'compiler': output(os.environ.get('CXX', 'c++'), '--version').partition('\n')[0],
            'packages': versions, 'load': os.getloadavg()[0],
            'commit': output('git', '-C', str(here), 'describe', '--always', '--dirty')}
