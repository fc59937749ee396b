"""Network namespaces as hosts: each has its own network, and reaches this process at one address."""

import os
import shutil
import subprocess
from contextlib import contextmanager


@contextmanager
def namespaces(count):
    """Give the commands that start a program on each of `count` hosts, and the address where they reach this process.

    Without root or `ip`, the hosts are processes of this machine: the commands are empty.
    """
    if os.getuid() or shutil.which("ip") is None or not _ip("netns", "add", _name("trial")):
        yield [()] * count, "127.0.0.1"
        return
    _ip("netns", "del", _name("trial"))
    net = f"10.{os.getpid() % 200 + 20}"
    address = f"{net}.0.1"
    _required("addr", "add", f"{address}/32", "dev", "lo")
    try:
        for number in range(count):
            _connect(number, net)
        yield [("ip", "netns", "exec", _name(number)) for number in range(count)], address
    finally:
        for number in range(count):
            _ip("netns", "del", _name(number))  # removes its link, too
        _ip("addr", "del", f"{address}/32", "dev", "lo")


def disconnect(place):
    """Cut the network of a host, given its command: it can neither send nor receive."""
    _required("-n", place[-1], "link", "set", "eth0", "down")


def _connect(number, net):
    """Create a namespace and a link between it and this one."""
    name, link, subnet = _name(number), f"veth{os.getpid() % 100_000}x{number}", f"{net}.{number + 1}"
    _required("netns", "add", name)
    _required("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
    _required("addr", "add", f"{subnet}.1/24", "dev", link)
    _required("link", "set", link, "up")
    _required("-n", name, "addr", "add", f"{subnet}.2/24", "dev", "eth0")
    for device in ("eth0", "lo"):
        _required("-n", name, "link", "set", device, "up")
    _required("-n", name, "route", "add", "default", "via", f"{subnet}.1")


def _name(part):
    return f"animerag-{os.getpid()}-{part}"


def _ip(*arguments):
    """Run `ip` and tell whether it succeeded."""
    return subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode == 0


def _required(*arguments):
    subprocess.run(["ip", *arguments], capture_output=True, check=True)
