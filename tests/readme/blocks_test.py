# SPDX-License-Identifier: BSL-1.0
"""blocks.py itself: what it makes of a Markdown file, and what it refuses."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BLOCKS = pathlib.Path(__file__).parent / 'blocks.py'
CXX = os.environ.get('THOLE_CXX', 'c++').split('\n')


class Blocks(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.page = self.folder / 'page.md'

    def blocks(self, how, text=None):
        if text is not None:
            self.page.write_text(text, encoding='utf-8')
        done = subprocess.run([sys.executable, BLOCKS, how, self.folder, self.page],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_an_error_names_the_markdown_line(self):
        text = 'Words.\n\n```cpp\nint main() {\n    return x;\n}\n```\n'
        code, output = self.blocks('write', text)
        self.assertEqual((code, output.split()[2:]), (0, ['program', 'page_1.cpp']))
        done = subprocess.run([*CXX, '-fsyntax-only', self.folder / 'page_1.cpp'],
                              capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f'{self.page}:5:', done.stderr)

    def test_fragments_share_a_source_and_keep_their_lines(self):
        text = ('```cpp\n#include <span>\nint a;\n```\n\n'
                '<!-- in: int f(int b) -->\n```cpp\nreturn b;\n```\n')
        code, output = self.blocks('write', text)
        self.assertEqual((code, output.split()[2:]), (0, ['fragments', 'page_fragments.cpp']))
        made = (self.folder / 'page_fragments.cpp').read_text(encoding='utf-8')
        self.assertEqual(made.splitlines(), [
            '#include <thole/thole.hpp>', f'#line 2 "{self.page}"', '#include <span>',
            'namespace block_1 {', f'#line 2 "{self.page}"', '', 'int a;', '}',
            'namespace block_2 {', 'using namespace thole;',
            'using namespace std::chrono_literals;', 'int f(int b) {', f'#line 8 "{self.page}"',
            'return b;', '}', '}'])

    def test_a_block_that_would_be_passed_over_is_refused(self):
        for text in ('- item\n  ```cpp\n  int a;\n  ```\n', '```cpp\nint a;\n',
                     '```cpp title\nint a;\n```\n', '```C++\nint a;\n```\n'):
            with self.subTest(text):
                code, output = self.blocks('write', text)
                self.assertEqual(code, 1, output)
                self.assertIn(str(self.page), output)

    def test_an_edit_since_then_is_noticed(self):
        self.blocks('write', '```cpp\nint a;\n```\n')
        self.assertEqual(self.blocks('check'), (0, ''))
        code, output = self.blocks('check', '```cpp\nint b;\n```\n')
        self.assertEqual(code, 1)
        self.assertIn('reconfigure', output)


if __name__ == '__main__':
    unittest.main()
