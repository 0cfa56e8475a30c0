# SPDX-License-Identifier: BSL-1.0
"""The table: a block a row, a line a peer."""
from runner import workloads
from runner.verdicts import number, shown


def block(table, row, names):
    """The lines of one row of the table; empty if nobody has it."""
    found = table.values.get(row.key)
    if not found:
        return []
    extra = [name for name in found if name not in names]  # a reference that is no peer
    lines = ['', row.label,
             f'  {"":22} {"median [95 %]":>28} {"/ raw_epoll":>22} {"/ asio":>22}']
    for name in [*names, *extra]:
        estimate = table.estimate(row.key, name)
        if estimate is None:
            lines.append(f'  {name:22} {"-":>28}')
            continue
        line = f'  {name:22} {shown(estimate):>28}'
        for versus in row.references:
            ratio = table.ratio(row.key, name, versus) if name != versus else None
            line += f' {shown(ratio) if ratio else "":>22}'
        verdicts = [table.judge(figure) for figure in workloads.FIGURES
                    if figure.row == row.key and figure.peer == name]
        line += ''.join(f'  {verdict}' for verdict in verdicts if verdict)
        lines.append(line.rstrip())
    return lines


def print_table(table, chosen, names):
    for workload in chosen:
        for row in workload.rows:
            for line in block(table, row, names):
                print(line)


def markdown(table, chosen, names):
    """One line a row: the median, and in brackets the ratio to raw_epoll, or to who stands in."""
    lines = ['| figure | ' + ' | '.join(names) + ' |', '|---|' + '---:|' * len(names)]
    for row in (row for workload in chosen for row in workload.rows):
        if row.key not in table.values:
            continue
        cells = []
        versus = next(filter(None, row.references))
        for name in names:
            estimate = table.estimate(row.key, name)
            ratio = table.ratio(row.key, name, versus) if name != versus else None
            cells.append('-' if estimate is None else
                         number(estimate.median) + (f' ({ratio.median:.2f})' if ratio else ''))
        lines.append(f'| {row.label} | ' + ' | '.join(cells) + ' |')
    return lines


def write_page(path, tables):
    """Each of them is a list of lines; - is the output."""
    text = '\n\n'.join('\n'.join(lines) for lines in tables) + '\n'
    if str(path) == '-':
        print('\n' + text, end='')
    else:
        path.write_text(text, encoding='utf-8')


def print_verdicts(judged):
    """judged: (what, Verdict or None if there was nothing to judge)."""
    for word, wanted in (('reached', True), ('MISSED', False)):
        rows = [(what, verdict) for what, verdict in judged
                if verdict and verdict.reached is wanted]
        print(f'\n{len(rows)} figures {word}')
        for what, verdict in rows:
            print(f'  {what}: {verdict.text}' + ('' if verdict.sure else ' (too few rounds)'))
    unknown = [what for what, verdict in judged if not verdict]
    if unknown:
        print(f'\n{len(unknown)} figures without a value: {", ".join(unknown)}')
