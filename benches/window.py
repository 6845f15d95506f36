"""What a broker and its machine use while something happens.

Owns: the begin and the end of counting. The end comes after `sync`: writing back is in it.
"""

import dataclasses
import os

import machine


WARM_MIB = 1280  # More than any load between two windows puts into the page cache at full speed.


@dataclasses.dataclass
class Used:
    cpu_s: float  # the broker's process, its io_uring workers too
    machine_s: float  # all cores, less the driver and the idle broker
    device_bytes: int  # written to the device that holds the broker's data


class Window:
    """Counts from its making to `end`. Drivers in Rust must have ended by then."""

    def __init__(self, broker, idle=None):
        os.sync()
        machine.warm_memory(WARM_MIB)
        self.broker = broker
        self.idle = idle
        self.before = self.now()

    def now(self):
        busy, _steal = machine.machine_cpu_s()
        others = machine.children_cpu_s() + self.broker.driver.cpu_s()
        if self.idle:
            others += machine.process_cpu_s(self.idle.process.pid)
        written = machine.device_written_bytes(self.broker.folder)
        return Used(machine.process_cpu_s(self.broker.process.pid), busy - others, written)

    def end(self):
        cpu_s = self.now().cpu_s
        os.sync()
        after, before = self.now(), self.before
        return Used(
            cpu_s=cpu_s - before.cpu_s,
            machine_s=after.machine_s - before.machine_s,
            device_bytes=after.device_bytes - before.device_bytes,
        )
