"""A mount that answers nobody: whoever asks it for a file waits in the kernel, where SIGKILL does not reach, as behind a driver
that hangs. A FUSE server that reads requests and keeps them: what it has read cannot be taken back."""
import ctypes
import os
import struct
import threading

INIT = 26  # FUSE_INIT
MNT_FORCE, MNT_DETACH = 1, 2
REQUEST_BYTES = 1 << 20

libc = ctypes.CDLL(None, use_errno=True)


class DeadMount:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"dead", folder.encode(), b"fuse", 0, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), "mount of a FUSE file system")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                request = os.read(self.fd, REQUEST_BYTES)
            except OSError:
                return  # it was unmounted
            size, opcode, unique = struct.unpack_from("<IIQ", request)
            assert size == len(request)
            if opcode == INIT:
                body = struct.pack("<IIIIHHII", 7, 31, 1 << 16, 0, 16, 12, 1 << 16, 1) + b"\0" * 32
                os.write(self.fd, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)

    def file(self):
        # Also for those whose mount namespace does not have it.
        return f"/proc/{os.getpid()}/root{self.folder}/never"

    def release(self):
        """Whoever waits gets an error, and dies if it was killed meanwhile. May be called again."""
        libc.umount2(self.folder.encode(), MNT_FORCE)
        libc.umount2(self.folder.encode(), MNT_DETACH)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
