"""Writes a Java agent that does nothing: LocalStack starts DynamoDB Local with one."""

import struct
import sys
import zipfile

names = [b"Agent", b"java/lang/Object", b"premain", b"(Ljava/lang/String;)V", b"Code"]


def class_file() -> bytes:
    # The Java Virtual Machine Specification, section 4.1. Constants 1 to 5 are the
    # names, 6 and 7 the classes Agent and Object.
    pool = b"".join(struct.pack(">BH", 1, len(n)) + n for n in names)
    pool += struct.pack(">BHBH", 7, 1, 7, 2)
    body = struct.pack(">HHIB", 0, 1, 1, 0xB1) + struct.pack(">HH", 0, 0)  # one instruction: return
    method = struct.pack(">HHHH", 0x0009, 3, 4, 1) + struct.pack(">HI", 5, len(body)) + body
    return (
        struct.pack(">IHHH", 0xCAFEBABE, 0, 52, 8) + pool
        + struct.pack(">HHHHHH", 0x0021, 6, 7, 0, 0, 1) + method + struct.pack(">H", 0)
    )


with zipfile.ZipFile(sys.argv[1], "w") as jar:
    jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nPremain-Class: Agent\r\n\r\n")
    jar.writestr("Agent.class", class_file())
