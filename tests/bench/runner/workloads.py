# SPDX-License-Identifier: BSL-1.0
"""What is run, what is read from each run, and the figures of thole's rows."""
import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure of each peer's run of a workload."""
    key: str
    label: str
    read: typing.Callable
    references: tuple = ('raw_epoll', 'asio')  # whom it is compared with


@dataclasses.dataclass(frozen=True)
class Workload:
    key: str
    group: str  # how the command line calls it
    command: str
    words: tuple
    rows: tuple
    rounds: int = 0  # at most; 0: as many as asked for


@dataclasses.dataclass(frozen=True)
class Figure:
    """`peer` has it, if row's median (or its ratio to `versus`) is at most `most`."""
    row: str
    peer: str
    most: float
    versus: str = ''


def extra(name):
    """None where a run could not tell."""
    return lambda record: record['extra'].get(name)


def field(name):
    return lambda record: record[name]


def wall_ns(record):
    return 1e9 / record['ops_per_s']


def kilo_per_second(record):
    return record['ops_per_s'] / 1e3


def whole_bytes(record):
    return round(record['extra']['bytes_per_timer'])  # the last page is not full


CPU = extra('cpu_ns_per_op')


def latency_rows(key, what, unit):
    return (Row(key + '_p50', f'{what}, p50 us', field('p50_us')),
            Row(key + '_p99', f'{what}, p99 us', field('p99_us')),
            Row(key + '_cpu', f'{what}, CPU ns a {unit}', CPU))


def rate_rows(key, what, unit):
    return (Row(key + '_cpu', f'{what}, CPU ns a {unit}', CPU),
            Row(key + '_rate', f'{what}, 1000 {unit}s/s (more is better)', kilo_per_second))


def echo(key, what, *words):
    return Workload(key, 'echo', 'echo', words, rate_rows(key, f'echo, {what}', 'request'))


def echo_one(key, what, *words):
    return Workload(key, 'echo', 'echo', ('conns=1', 'n=3000', *words),
                    latency_rows(key, f'echo, {what}', 'request'))


def connect(key, target, what):
    return Workload(key, 'connect', 'connect', ('n=5000', 'conc=256', f'target={target}'),
                    rate_rows(key, f'connect with a deadline, {what}', 'connect'))


def stream(direction, chunk, size):
    key = f'stream_{direction}_{size}'
    return Workload(
        key, 'stream', 'stream', (f'dir={direction}', f'chunk={chunk}', 'bytes=80000000'),
        (Row(key + '_cpu', f'stream {direction}, {size}: CPU s/GB', extra('cpu_s_per_gb')),
         Row(key + '_rate', f'stream {direction}, {size}: GB/s (more is better)',
             extra('gb_per_s'))))


def post(mode, label, *rows, n=400_000):
    return Workload(f'post_{mode}', 'post', 'post', (f'mode={mode}', f'n={n}'),
                    tuple(Row(f'post_{mode}_{key}', f'post, {label}, {what}', read)
                          for key, what, read in rows))


def http(size, what):
    key = f'http_{size}'
    rows = rate_rows(key, f'http, 64 connections, a file of {what}', 'request')
    return Workload(key, 'http', 'http', (f'size={size}',),
                    tuple(dataclasses.replace(row, references=('', 'http_asio')) for row in rows))


BURST = ('mode=burst', 'cores=same')
ALL = (
    Workload('pingpong', 'pingpong', 'pingpong', ('n=15000',),
             latency_rows('pingpong', 'pingpong', 'round trip')),
    echo_one('echo1', 'one connection, two processes'),
    echo_one('echo1_spin', 'one connection, both spin', 's.spin=100'),
    echo('echo64', '64 in bursts', 'conns=64', 'n=19200', *BURST),
    echo('echo64_deadline', '64 in bursts, a deadline on each read and write', 'conns=64',
         'n=19200', 's.deadline_ms=30000', *BURST),
    echo('echo512', '512 in bursts', 'conns=512', 'n=20480', *BURST),
    echo('echo64_closed', '64, closed loop, two cores', 'conns=64', 'n=15000'),
    echo('echo512_closed', '512, closed loop, two cores', 'conns=512', 'n=15000'),
    Workload('accept', 'accept', 'accept', ('conns=64', 'n=4000', 'cores=same'),
             rate_rows('accept', 'accept churn', 'connection')),
    connect('connect', 'fixed', 'a fixed port'),
    connect('connect_ephemeral', 'ephemeral', 'an ephemeral port of this machine'),
    stream('in', 4096, '4K'),
    stream('in', 65536, '64K'),
    stream('out', 4096, '4K'),
    stream('out', 65536, '64K'),
    post('single', 'one thread', ('cpu', 'CPU ns', CPU), n=1_000_000),
    post('x1', '1 producer', ('wall', 'wall ns', wall_ns), ('cpu', 'CPU ns', CPU)),
    post('x2', '2 producers', ('wall', 'wall ns', wall_ns), ('cpu', 'CPU ns', CPU)),
    post('lone', 'a lone one to a sleeping loop', ('p50', 'p50 us', field('p50_us')),
         ('p99', 'p99 us', field('p99_us')), n=600),
    Workload('timers', 'timers', 'timers', ('n=1000000', 'rounds=50'),
             (Row('timer_arm', 'timers, arm ns', extra('arm_ns')),
              Row('timer_cancel', 'timers, cancel ns', extra('cancel_ns')),
              Row('timer_rearm', 'timers, re-arm ns', extra('rearm_ns')),
              Row('timer_fire', 'timers, fire ns (CPU)', extra('fire_ns')),
              Row('timer_bytes', 'timers, bytes each', whole_bytes),
              Row('timer_early', 'timers, fired before their time', extra('early'))), rounds=7),
    Workload('spawn', 'spawn', 'spawn', ('n=200000',),
             (Row('spawn_cpu', 'spawn of a coroutine that ends, CPU ns', CPU),)),
    Workload('idle', 'idle', 'idle', ('conns=5000', 'chunk=1024'),
             (Row('idle_bytes', 'idle, bytes a connection with buffers of 1024',
                  extra('bytes_per_conn')),
              Row('idle_base', 'idle, KB of a process without connections',
                  extra('base_rss_kb'))), rounds=7),
    # thole's then has none: its loop lends one when something came.
    Workload('idle_bare', 'idle', 'idle', ('conns=5000', 'chunk=64', 's.receive=1'),
             (Row('idle_bare_bytes', 'idle, bytes a connection, buffers of 64 or lent',
                  extra('bytes_per_conn')),), rounds=7),
    Workload('compile', 'compile', '', (),
             (Row('compile_seconds', 'smallest echo server, user s to compile', field('user_s')),
              Row('compile_lines', 'smallest echo server, preprocessed lines', field('lines')),
              Row('compile_bytes', 'smallest echo server, bytes stripped', field('bytes'))),
             rounds=7),
    http(1024, '1 KiB'),
    http(65536, '64 KiB'),
)
GROUPS = tuple(dict.fromkeys(workload.group for workload in ALL))
BY_NAME = ('http',)  # not part of the table that a bare `tools/dev bench` makes


def rows_of(key):
    """Of one workload; none if there is no such one (any more)."""
    return next((workload.rows for workload in ALL if workload.key == key), ())


FIGURES = (
    Figure('echo64_cpu', 'thole', 1.03, 'raw_epoll'),
    Figure('echo64_cpu', 'thole', 0.87, 'asio'),
    Figure('echo64_cpu', 'thole_uring', 0.92, 'raw_epoll'),
    Figure('echo64_cpu', 'thole_uring', 0.77, 'asio'),
    Figure('echo1_p50', 'thole', 1.03, 'raw_epoll'),
    Figure('echo1_spin_p50', 'thole', 1.1, 'raw_epoll'),
    Figure('echo1_spin_p50', 'thole', 0.9, 'asio'),
    Figure('accept_cpu', 'thole', 0.80, 'asio'),
    Figure('accept_cpu', 'thole_uring', 0.90, 'raw_epoll'),
    Figure('connect_cpu', 'thole', 0.92, 'asio'),
    Figure('connect_cpu', 'thole_uring', 0.75, 'asio'),
    Figure('timer_arm', 'thole', 15),
    Figure('timer_cancel', 'thole', 35),
    Figure('timer_rearm', 'thole', 10),
    Figure('timer_bytes', 'thole', 48),
    Figure('timer_early', 'thole', 0),
    Figure('post_single_cpu', 'thole', 6),
    Figure('post_x1_wall', 'thole', 30),
    Figure('post_x2_wall', 'thole', 30),
    Figure('post_lone_p99', 'thole', 1.0, 'libuv'),
    Figure('spawn_cpu', 'thole_coroutine', 40),
    Figure('idle_bare_bytes', 'thole', 150),
    Figure('idle_bare_bytes', 'thole_coroutine', 400),
    Figure('compile_seconds', 'thole', 1.5, 'reference'),
    Figure('compile_seconds', 'thole_coroutine', 1.5, 'reference'),
    Figure('compile_bytes', 'thole', 60_000),
    Figure('compile_bytes', 'thole_coroutine', 60_000),
)
