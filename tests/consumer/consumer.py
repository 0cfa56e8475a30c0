#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Builds tests/consumer/project with the source tree as its subproject and runs it.

usage: consumer.py SOURCEROOT WORKFOLDER

Tests and tools are off in a subproject, the consumer needs no package, its options rule.
"""
import json
import pathlib
import shutil
import subprocess
import sys


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        print(done.stdout, done.stderr)
        sys.exit(f'failed: {" ".join(map(str, command))}')
    return done.stdout


def main():
    root, work = map(pathlib.Path, sys.argv[1:])
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(root / 'tests' / 'consumer' / 'project', work / 'project')
    subprojects = work / 'project' / 'subprojects'
    subprojects.mkdir(exist_ok=True)
    (subprojects / 'thole').symlink_to(root, target_is_directory=True)
    build = work / 'build'
    run('meson', 'setup', '--wrap-mode=nodownload', build, work / 'project')
    targets = {row['name'] for row in json.loads(run('meson', 'introspect', '--targets', build))}
    if targets != {'thole', 'consumer'}:
        sys.exit(f'a consumer builds {sorted(targets)}; thole and consumer would do')
    run('ninja', '-C', build)
    print(run(build / 'consumer'))


if __name__ == '__main__':
    main()
