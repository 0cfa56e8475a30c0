# SPDX-License-Identifier: BSL-1.0
"""thole as a Meson subproject, fetched by the wrap that README.md shows.

The wrap's address is that of a repository made of this source tree: Meson clones it, and no
network is needed. In a cross build the consumer is one, too ($THOLE_CROSS), and its program runs
under Wine.
"""
import json
import os
import pathlib
import re
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from building import PROJECT, ROOT, VERSION, readme_block, run, work_folder

GIT = {'GIT_CONFIG_GLOBAL': os.devnull, 'GIT_CONFIG_NOSYSTEM': '1'}
CROSS = os.environ.get('THOLE_CROSS')
OURS = {'thole', 'thole_small', 'server'}  # thole's, and the consumer's own


def not_ours(folder, names):
    if folder != str(ROOT):
        return ['__pycache__'] if '__pycache__' in names else []
    return [name for name in names if name.startswith('build') or name in ('.git', 'subprojects')]


def repository(folder, tag):
    """The source tree as it is now, as somebody's git repository."""
    shutil.copytree(ROOT, folder, ignore=not_ours, symlinks=True)
    git = ['git', '-C', folder, '-c', 'user.name=thole', '-c', 'user.email=thole']
    run('git', 'init', '-q', folder, env=GIT)
    run(*git, 'add', '-A', env=GIT)
    run(*git, 'commit', '-q', '-m', 'All of it', env=GIT)
    run(*git, 'tag', tag, env=GIT)


class Subproject(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = work_folder('subproject')
        cls.wrap = readme_block('ini')
        repository(cls.work / 'origin', re.search(r'^revision = (\S+)$', cls.wrap, re.M)[1])
        cls.wrap, count = re.subn(r'^url = .*$', f'url = file://{cls.work / "origin"}', cls.wrap,
                                  flags=re.M)
        assert count == 1, cls.wrap

    def consumer(self, name, *options):
        """A consumer's project, built: its build folder and its targets by name."""
        project = self.work / name
        shutil.copytree(PROJECT, project)
        (project / 'subprojects').mkdir(exist_ok=True)
        (project / 'subprojects' / 'thole.wrap').write_text(self.wrap, encoding='utf-8')
        build = project / 'build'
        cross = ['--cross-file', CROSS] if CROSS else []
        run('meson', 'setup', build, project, *cross, *options, env=GIT)
        targets = json.loads(run('meson', 'introspect', '--targets', build))
        run('ninja', '-C', build)
        return build, {target['name']: target for target in targets}

    def echo(self, build):
        """What the consumer's test printed; Meson starts it, under Wine in a cross build."""
        run('meson', 'test', '-C', build, '--no-rebuild', '-t', '4')
        rows = (build / 'meson-logs' / 'testlog.json').read_text(encoding='utf-8').splitlines()
        self.assertEqual(len(rows), 1, 'a consumer runs its own test and none of ours')
        return json.loads(rows[0])['stdout'].strip()

    @staticmethod
    def arguments(target):
        return {word for group in target['target_sources'] for word in group['parameters']}

    def test_readme_names_the_dependency_as_the_consumer_does(self):
        self.assertIn(readme_block('meson'), (PROJECT / 'meson.build').read_text(encoding='utf-8'))

    def test_static_without_exceptions_and_rtti(self):
        build, targets = self.consumer('strict')
        self.assertEqual(set(targets), OURS, 'no test and no tool of ours')
        self.assertEqual(targets['thole']['type'], 'static library')
        without = {'-fno-exceptions', '-fno-rtti'}
        self.assertEqual(self.arguments(targets['thole']) & without, without)
        self.assertEqual(self.echo(build), f'thole {VERSION}: echoed, exceptions off')

    def test_shared_with_exceptions(self):
        options = ['-Dcpp_eh=default', '-Dcpp_rtti=true', '-Ddefault_library=shared']
        if CROSS:
            # Our cross file links the runtime into each program. A DLL and its program must
            # share it: error categories are compared by their addresses.
            options.append('-Dcpp_link_args=')
        build, targets = self.consumer('default', *options)
        self.assertEqual(set(targets), OURS, 'no test and no tool of ours')
        self.assertEqual(targets['thole']['type'], 'shared library')
        self.assertFalse(self.arguments(targets['thole']) & {'-fno-exceptions', '-fno-rtti'})
        self.assertEqual(self.echo(build), f'thole {VERSION}: echoed, exceptions on')


if __name__ == '__main__':
    unittest.main()
