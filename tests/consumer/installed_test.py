# SPDX-License-Identifier: BSL-1.0
"""thole installed, and found by pkg-config and by CMake, shared and static.

One build folder makes both libraries; it is installed into a stage, the stage is moved, and its
copies lose one library or the other.
"""
import json
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from building import PROJECT, ROOT, VERSION, attempt, readme_block, run, work_folder

ECHOED = f'thole {VERSION}: echoed, exceptions on\n'
CXX = os.environ.get('THOLE_CXX', 'c++').split('\n')
OPTIONS = ['--buildtype=plain', '-Dtests=disabled', '-Dtools=disabled', '-Ddocs=disabled',
           '-Ddefault_library=both', '--prefix=/opt/somewhere']


def setUpModule():
    global work, both, static_only, shared_only
    work = work_folder('installed')
    run('meson', 'setup', work / 'build', ROOT, *OPTIONS, '-Dcmake_package=enabled')
    run('ninja', '-C', work / 'build')
    run('meson', 'install', '-C', work / 'build', '--no-rebuild', env={'DESTDIR': work / 'stage'})
    both = work / 'moved' / 'here'
    both.parent.mkdir()
    (work / 'stage' / 'opt' / 'somewhere').rename(both)
    static_only, shared_only = work / 'static', work / 'shared'
    for folder, gone in ((static_only, '.so'), (shared_only, '.a')):
        shutil.copytree(both, folder, symlinks=True)
        libraries = [path for path in lib(folder).iterdir() if gone in path.suffixes]
        assert libraries, f'{lib(both)} has no {gone}'
        for path in libraries:
            path.unlink()


def lib(prefix):
    """Where its libraries are: lib, lib64 or lib/TRIPLE."""
    return next(prefix.rglob('pkgconfig')).parent


def is_shared(program):
    return 'libthole.so' in run('readelf', '-d', program)


class PkgConfig(unittest.TestCase):
    def ask(self, prefix, *words):
        return attempt('pkg-config', *words, env={'PKG_CONFIG_LIBDIR': lib(prefix) / 'pkgconfig'})

    def flags(self, prefix, *words):
        code, output = self.ask(prefix, *words, 'thole')
        self.assertEqual(code, 0, output)
        return output.split()

    def program(self, prefix, *words):
        """The consumer, compiled and linked with what pkg-config says, and nothing else."""
        made = work / f'by-pkg-config-{prefix.name}'
        run(*CXX, '-std=c++20', PROJECT / 'main.cpp', '-o', made,
            *self.flags(prefix, '--cflags', '--libs', *words))
        return made

    def test_shared(self):
        made = self.program(shared_only)
        self.assertTrue(is_shared(made))
        self.assertEqual(run(made, env={'LD_LIBRARY_PATH': lib(shared_only)}), ECHOED)

    def test_static(self):
        made = self.program(static_only, '--static')
        self.assertFalse(is_shared(made))
        self.assertEqual(run(made), ECHOED)

    def test_a_version_that_does_not_fit_is_refused(self):
        self.assertEqual(self.ask(both, '--modversion', 'thole'), (0, f'{VERSION}\n'))
        self.assertEqual(self.ask(both, '--exists', 'thole >= 0.1')[0], 0)
        self.assertNotEqual(self.ask(both, '--exists', 'thole >= 0.2')[0], 0)

    def test_it_can_be_moved(self):
        self.assertEqual(self.flags(both, '--cflags'), [f'-I{self.plain(both / "include")}'])
        self.assertNotIn('somewhere', (lib(both) / 'pkgconfig' / 'thole.pc').read_text())

    def plain(self, path):
        """As pkg-config writes it: from where the file lies, up."""
        up = '/..' * len((lib(both) / 'pkgconfig').relative_to(both).parts)
        return f'{lib(both) / "pkgconfig"}{up}/{path.relative_to(both)}'


class Cmake(unittest.TestCase):
    def configure(self, name, prefix, *options):
        """README's lines in a project of CMake: exit code and output."""
        lines = work / 'readme.cmake'
        lines.write_text(readme_block('cmake'), encoding='utf-8')
        return attempt('cmake', '-G', 'Ninja', '-S', PROJECT, '-B', work / name,
                       f'-DCMAKE_PREFIX_PATH={prefix}', f'-DREADME_CMAKE={lines}', *options,
                       env={'CXX': CXX[0]} if len(CXX) == 1 else {})

    def program(self, name, prefix, *options):
        code, output = self.configure(name, prefix, *options)
        self.assertEqual(code, 0, output)
        run('ninja', '-C', work / name)
        return work / name / 'server'

    def find(self, prefix, *words, before=''):
        """find_package alone, in a project without a compiler."""
        folder = work_folder('find')
        (folder / 'CMakeLists.txt').write_text(
            'cmake_minimum_required(VERSION 3.20)\nproject(find NONE)\n'
            f'{before}\nfind_package(thole {" ".join(words)} CONFIG REQUIRED)\n', encoding='utf-8')
        return attempt('cmake', '-S', folder, '-B', folder / 'build',
                       f'-Dthole_DIR={lib(prefix) / "cmake" / "thole"}')

    def test_shared(self):
        made = self.program('cmake-shared', both)
        self.assertTrue(is_shared(made))
        self.assertEqual(run(made), ECHOED)

    def test_static_on_request(self):
        made = self.program('cmake-static', both, '-Dthole_USE_STATIC_LIBS=ON')
        self.assertFalse(is_shared(made))
        self.assertEqual(run(made), ECHOED)

    def test_static_where_there_is_no_shared_one(self):
        code, output = self.configure('cmake-only-static', static_only)
        self.assertEqual(code, 0, output)
        rules = (work / 'cmake-only-static' / 'build.ninja').read_text(encoding='utf-8')
        self.assertIn(str(lib(static_only) / 'libthole.a'), rules)

    def test_static_that_is_not_installed_is_refused(self):
        code, output = self.find(shared_only, before='set(thole_USE_STATIC_LIBS ON)')
        self.assertNotEqual(code, 0, output)
        self.assertIn('has no libthole.a', ' '.join(output.split()))
        self.assertEqual(self.find(shared_only)[0], 0)

    def test_a_version_that_does_not_fit_is_refused(self):
        for version in ('0.0', '0.1.1', '0.2', '1.0'):
            with self.subTest(version):
                code, output = self.find(both, version)
                self.assertNotEqual(code, 0, output)
                self.assertIn(f'version: {VERSION}', output)
        for version in ('0.1', '0.1.0'):
            with self.subTest(version):
                code, output = self.find(both, version)
                self.assertEqual(code, 0, output)

    def test_without_cmake_the_rest_is_built_and_installed(self):
        none = work / 'no-cmake.ini'
        none.write_text("[binaries]\ncmake = 'there-is-no-cmake'\n", encoding='utf-8')
        build = work / 'build-without-cmake'
        run('meson', 'setup', '--native-file', none, build, ROOT, *OPTIONS)
        with_cmake, without = (
            {os.path.basename(path) for path in json.loads(
                run('meson', 'introspect', '--installed', folder)).values()}
            for folder in (work / 'build', build))
        self.assertEqual(with_cmake - without, {'tholeConfig.cmake', 'tholeConfigVersion.cmake'})
        self.assertEqual(without - with_cmake, set())
        self.assertEqual(len(self.steps(build)), len(self.steps(work / 'build')))

    def steps(self, build):
        return run('ninja', '-C', build, '-t', 'inputs', 'all').splitlines()


if __name__ == '__main__':
    unittest.main()
