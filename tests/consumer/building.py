# SPDX-License-Identifier: BSL-1.0
"""What the consumer tests share: where they are, commands that must work, README's blocks."""
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROJECT = ROOT / 'tests' / 'consumer' / 'project'
VERSION = re.search(r"\n  version: '([\d.]+)'", (ROOT / 'meson.build').read_text())[1]


def work_folder(name):
    """A new folder of that name, in the build folder."""
    folder = pathlib.Path(os.environ['THOLE_WORK']) / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def attempt(*command, **more):
    """Runs a command: its exit code, and all that it printed."""
    more['env'] = {**os.environ, **more.get('env', {})}
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', check=False, **more)
    return done.returncode, done.stdout


def run(*command, **more):
    code, output = attempt(*command, **more)
    if code != 0:
        raise AssertionError(f'exit {code}: {" ".join(map(str, command))}\n{output}')
    return output


def readme_block(language):
    """The one fenced block of README.md in that language."""
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    blocks = re.findall(rf'^```{language}\n(.*?)^```', text, re.M | re.S)
    if len(blocks) != 1:
        raise AssertionError(f'README.md has {len(blocks)} blocks of {language}, not one')
    return blocks[0]
