"""A TPM's device file in front of swtpm: prints its path, and serves it until it is killed.

The file is a pseudo-terminal without any of a terminal's habits, so it carries what /dev/tpm0
carries: a command in one direction, its response in the other. A kernel module for real ones
(tpm_vtpm_proxy, cuse) is not to be had everywhere.

Argument: the port where swtpm takes bare commands.
"""

import os
import pty
import socket
import sys
import tty


def size(header):
    """The size of a command or response, of which the first six bytes are here."""
    return int.from_bytes(header[2:6], "big")


def ask(port, command):
    """Passes one command on. swtpm serves one connection after the other, so none is kept."""
    with socket.create_connection(("127.0.0.1", port)) as tpm, tpm.makefile("rb") as answer:
        tpm.sendall(command)
        header = answer.read(6)
        return header + answer.read(size(header) - 6)


def main():
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    print(os.ttyname(theirs), flush=True)
    arrived = b""
    while True:
        arrived += os.read(ours, 4096)
        if len(arrived) >= 6 and len(arrived) >= size(arrived):
            command, arrived = arrived[: size(arrived)], arrived[size(arrived) :]
            os.write(ours, ask(int(sys.argv[1]), command))


main()
