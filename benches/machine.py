"""What the machine says: CPU time, memory, the disk's bare durable write, its own description.

CPU of a process is utime + stime of /proc/PID/stat: all its threads, those that ended too, and the
kernel's io_uring workers (`iou-wrk`, `iou-sqp`), which are threads of the process that owns the ring.
"""

import mmap
import os
import pathlib
import platform
import re
import resource
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
BARE_WRITE_BYTES = 16 * 1024
SECTOR_BYTES = 512
# Where version 1 and version 2 are mounted, and what the limit is called there.
MEMORY_GROUPS = [
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ("/sys/fs/cgroup", "memory.max"),
]


class Missing(Exception):
    """This machine lacks something; the text is for a person."""


def process_cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def ring_worker_cpu_s(pid):
    """The part of it that io_uring workers which still live have used."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name, fields = (task / "stat").read_text().rsplit(")", 1)
        except OSError:
            continue  # It ended meanwhile.
        if "(iou-" in name:
            total += int(fields.split()[11]) + int(fields.split()[12])
    return total / TICKS


def machine_cpu_s():
    """Busy seconds of all cores, and those that the host kept for others."""
    line = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in line[1:9])
    return (user + nice + system + irq + softirq) / TICKS, steal / TICKS


def rss_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise Missing(f"process {pid} has no VmRSS")


def busy_share(seconds):
    """The share of all cores that is busy right now, by whoever."""
    before, _ = machine_cpu_s()
    time.sleep(seconds)
    after, _ = machine_cpu_s()
    return (after - before) / seconds / os.cpu_count()


def durable_writes_ms(folder, count):
    """Latencies of appending 16 KiB and fdatasync: what nobody who syncs can beat."""
    path = folder / "durable-write"
    block = os.urandom(BARE_WRITE_BYTES)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    took = []
    try:
        for index in range(count):
            start = time.perf_counter()
            os.pwrite(file, block, index * len(block))
            os.fdatasync(file)
            took.append((time.perf_counter() - start) * 1000)
    finally:
        os.close(file)
        path.unlink()
    return took


def children_cpu_s():
    """Of all children of ours that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def device_written_bytes(folder):
    """Bytes that the device below `folder` was told to write since the machine started."""
    number = os.stat(folder).st_dev
    for line in pathlib.Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if (int(fields[0]), int(fields[1])) == (os.major(number), os.minor(number)):
            return int(fields[9]) * SECTOR_BYTES
    raise Missing(f"{folder} lies on no device that /proc/diskstats names")


def warm_memory(mib):
    """Touches so much memory and gives it back, so that the next user of it finds it there.

    A virtual machine may have handed its free pages back to its host: who touches them first then
    pays up to 10 µs a page, several times what a broker spends on what it puts into it.
    """
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    mmap.mmap(-1, mib * 2**20, flags=flags).close()


class MemoryGroup:
    """A memory cgroup, version 1 or 2, that bounds the page cache of whoever is in it as well."""

    def __init__(self, limit_bytes):
        name = f"logmill-bench-{os.getpid()}"
        for parent, limit in MEMORY_GROUPS:
            self.folder = pathlib.Path(parent) / name
            try:
                self.folder.mkdir()
            except OSError:
                continue
            try:
                (self.folder / limit).write_text(str(limit_bytes))
            except OSError:
                self.folder.rmdir()
                continue
            return
        places = " or ".join(parent for parent, _ in MEMORY_GROUPS)
        raise Missing(f"no memory cgroup can be made below {places}: be root")

    def words(self):
        """What stands before a command that is to run in it."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', self.folder / "cgroup.procs"]

    def hits(self):
        """How often the limit was reached."""
        try:
            return int((self.folder / "memory.failcnt").read_text())
        except FileNotFoundError:
            events = (self.folder / "memory.events").read_text().split()
            return int(events[events.index("max") + 1])

    def remove(self):
        """When all who were in it have ended."""
        self.folder.rmdir()


def journal(kind, device):
    """ext4 without its journal syncs for much less than with it."""
    try:
        task = pathlib.Path(f"/sys/fs/{kind}/{device}/journal_task").read_text().strip()
    except OSError:
        return ""
    return " without a journal" if task == "<none>" else " with a journal"


def disk_words(folder):
    """What decides how long a durable write takes: file system, the disk's cache, the scheduler."""
    words = ["findmnt", "-no", "FSTYPE,SOURCE", "-T", folder]
    said = subprocess.run(words, capture_output=True, text=True).stdout.split()
    if len(said) != 2:
        return "an unknown file system"
    kind, device = said[0], pathlib.Path(said[1]).name
    name = f"{kind}{journal(kind, device)}"
    try:
        settings = pathlib.Path("/sys/class/block") / device / "queue"
        cache = (settings / "write_cache").read_text().strip()
        schedulers = (settings / "scheduler").read_text()
    except OSError:
        return f"{name} ({device})"
    chosen = re.search(r"\[(.*)\]", schedulers)
    scheduler = chosen.group(1) if chosen else "none"
    return f"{name} ({device}: {cache} cache, scheduler {scheduler})"


def describe(folder):
    """One line about this machine."""
    model = "unknown CPU"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    java = java.splitlines()[0].strip() if java else "no Java"
    return (
        f"{os.cpu_count()} × {model}, {memory:.0f} GiB, Linux {platform.release()}, "
        f"data on {disk_words(folder)}, {java}"
    )
