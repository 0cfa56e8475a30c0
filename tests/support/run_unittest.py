#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs one unittest module and records each test case as the Catch2 runner does.

usage: run_unittest.py --suite NAME FILE [-- COMMAND...]
The command goes to the tests in $THOLE_PROBE, one word a line; the record to
$THOLE_RECORD/NAME.jsonl.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import sys
import time
import unittest


class Recorder(unittest.TextTestResult):
    suite = ''
    file = None
    since = time.monotonic()  # a failure before the first test

    def line(self, test, result, reason=''):
        if self.file:
            row = {'suite': self.suite, 'backend': '', 'case': test.id().split('.', 1)[-1],
                   'result': result, 'reason': reason, 'seconds': time.monotonic() - self.since}
            self.file.write(json.dumps(row) + '\n')
            self.file.flush()

    def startTest(self, test):
        super().startTest(test)
        self.since = time.monotonic()
        self.line(test, 'started')

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line(test, 'passed')

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line(test, 'skipped', reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(test, 'failed')

    def addError(self, test, err):
        super().addError(test, err)
        self.line(test, 'failed')

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.line(test, 'failed')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--suite', required=True)
    parser.add_argument('file', type=pathlib.Path)
    parser.add_argument('command', nargs='*')
    given = parser.parse_args()
    os.environ['THOLE_PROBE'] = '\n'.join(given.command)
    os.environ.setdefault('WINEDEBUG', '-all')
    folder = os.environ.get('THOLE_RECORD')
    Recorder.suite = given.suite
    if folder:
        Recorder.file = open(pathlib.Path(folder, given.suite + '.jsonl'), 'a', encoding='utf-8')
    spec = importlib.util.spec_from_file_location(given.file.stem, given.file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where unittest looks for setUpModule
    spec.loader.exec_module(module)
    tests = unittest.defaultTestLoader.loadTestsFromModule(module)
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Recorder)
    return 0 if runner.run(tests).wasSuccessful() else 1


if __name__ == '__main__':
    sys.exit(main())
