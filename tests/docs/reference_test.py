# SPDX-License-Identifier: BSL-1.0
"""The API reference: Doxygen complains of nothing in the public headers and pages, and it could."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'reference.py'
DOXYGEN = os.environ['THOLE_DOXYGEN']
DOXYFILE = pathlib.Path(os.environ['THOLE_DOXYFILE'])
WORK = pathlib.Path(os.environ['THOLE_WORK'])

FINE = """/// \\file
/// A noun.
namespace thole {
/// It can be moved, asked and compared.
class noun {
public:
    noun(noun&& other) noexcept;
    noun& operator=(noun&& other) noexcept;
    explicit operator bool() const noexcept;
    friend bool operator==(const noun&, const noun&) noexcept;
    using value_type = int;
    /// Opens it.
    void open(int how);
};
namespace detail {
struct inside { int x; };
}
}
"""


class Reference(unittest.TestCase):
    def write(self, planted=None):
        """The reference of the project, or of a planted header: exit code and output."""
        folder = WORK / self._testMethodName
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        text = DOXYFILE.read_text(encoding='utf-8')
        if planted is not None:
            (folder / 'noun.hpp').write_text(planted, encoding='utf-8')
            text = self.put(text, 'INPUT', f'"{folder / "noun.hpp"}"')
            text = self.put(text, 'USE_MDFILE_AS_MAINPAGE', '')
        text = self.put(text, 'OUTPUT_DIRECTORY', f'"{folder / "out"}"')
        text = self.put(text, 'WARN_LOGFILE', f'"{folder / "out" / "warnings.txt"}"')
        (folder / 'Doxyfile').write_text(text, encoding='utf-8')
        done = subprocess.run([sys.executable, SCRIPT, DOXYGEN, folder / 'Doxyfile'],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        self.html = folder / 'out' / 'html'
        return done.returncode, done.stdout

    def put(self, text, key, value):
        text, count = re.subn(rf'^({key} *=).*$', lambda line: f'{line[1]} {value}', text,
                              flags=re.M)
        self.assertEqual(count, 1, key)
        return text

    def test_of_the_project(self):
        self.assertEqual(self.write(), (0, ''))
        for page in ('classthole_1_1loop', 'classthole_1_1tcp_1_1socket', 'version_8hpp'):
            self.assertTrue((self.html / f'{page}.html').exists(), page)
        details = [path.name for path in self.html.glob('*detail*')
                   if 'detached' not in path.name]
        self.assertEqual(details, [], 'what is in thole::detail is not documented')

    def test_members_with_a_fixed_meaning_need_no_words(self):
        self.assertEqual(self.write(FINE), (0, ''))

    def test_an_undocumented_member_is_an_error(self):
        code, output = self.write(FINE.replace('    /// Opens it.\n', ''))
        self.assertEqual(code, 1)
        self.assertRegex(output, r'noun\.hpp:12: warning: Member open\(int how\).*not documented')

    def test_an_undocumented_class_is_an_error(self):
        planted = FINE.replace('/// It can be moved, asked and compared.\n', '')
        code, output = self.write(planted)
        self.assertEqual(code, 1)
        self.assertRegex(output, r'Compound thole::noun is not documented')

    def test_a_wrong_comment_is_an_error(self):
        code, output = self.write(FINE.replace('/// Opens it.', '/// \\param who The wrong one.'))
        self.assertEqual(code, 1)
        self.assertRegex(output, r"argument 'who' of command @param is not found")


if __name__ == '__main__':
    unittest.main()
