#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""wrk against a server that is started for it; prints the line of a peer.

usage: http_load.py http peer=PROGRAM name=NAME [s.WORD…] [conns=N] [seconds=N] [size=N]

The server gets the words after `s.` and a folder with one file of `size` bytes. It runs on the
first processor and wrk on the second. CPU time is the server's own process clock, user and system,
over the whole run of wrk.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time


def process_clock(pid):
    """Seconds of processor time of that process: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def pinned(core):
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[core % len(cores)]})


def run_wrk(url, given):
    """(requests, seconds) that wrk saw, or why its run does not count."""
    line = ['wrk', '-t1', f'-c{given.get("conns", 64)}', f'-d{given.get("seconds", 1)}s', url]
    done = subprocess.run(line, capture_output=True, text=True, preexec_fn=pinned(1), timeout=30,
                          check=False)
    bad = re.search(r'Socket errors:.*|Non-2xx.*', done.stdout)
    found = re.search(r'(\d+) requests in ([\d.]+)(m?s)', done.stdout)
    if done.returncode or bad or not found or not int(found[1]):
        raise SystemExit(f'wrk: {bad[0] if bad else done.stdout + done.stderr}')
    return int(found[1]), float(found[2]) / (1000 if found[3] == 'ms' else 1)


def measure(server, given):
    said = re.match(r'listening on (\S+)', server.stdout.readline().decode())
    if not said:
        raise SystemExit('the server does not say where it is')
    begun = process_clock(server.pid)
    requests, seconds = run_wrk(f'http://{said[1]}/file', given)
    cpu = process_clock(server.pid) - begun
    status = pathlib.Path(f'/proc/{server.pid}/status').read_text(encoding='utf-8')
    peak = re.search(r'VmHWM:\s+(\d+)', status)
    return {'peer': given['name'], 'workload': 'http', 'ops': requests, 'seconds': seconds,
            'ops_per_s': requests / seconds, 'p50_us': 0, 'p99_us': 0, 'max_rss_kb': int(peak[1]),
            'extra': {'cpu_ns_per_op': cpu * 1e9 / requests}}


def main():
    words = [word.partition('=') for word in sys.argv[2:]]
    given = {key: value for key, _, value in words if not key.startswith('s.')}
    own = [key[2:] + mark + value for key, mark, value in words if key.startswith('s.')]
    with tempfile.TemporaryDirectory() as root:
        pathlib.Path(root, 'file').write_bytes(os.urandom(int(given.get('size', 1024))))
        server = subprocess.Popen([given['peer'], '--root', root, *own], stdout=subprocess.PIPE,
                                  preexec_fn=pinned(0))
        try:
            print(json.dumps(measure(server, given)))
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()
            server.stdout.close()


if __name__ == '__main__':
    main()
