"""Small honest and cheating runs for the graph of file provenance; each is a shell script in a directory of its own.

The script finds `kit/data/test.jsonl`, `kit/evaluate.py`, `train.jsonl` and `train.py` (writes `final_model`).
`python` is a function of the shell that starts this Python without its packages; `library` starts it with them.
"""

import shutil
from dataclasses import dataclass
from typing import Literal

TEST, TRAINER = "kit/data/test.jsonl", "train.py"
TRAIN = """import sys, os
rows = []
for path in sys.argv[1:] or ["train.jsonl"]:
    with (sys.stdin if path == "-" else open(path)) as file:
        rows += list(file)
os.makedirs("final_model", exist_ok=True)
with open("final_model/model.safetensors", "w") as file:
    file.write(str(len("".join(rows))))
"""
EVALUATE = """rows = list(open("kit/data/test.jsonl"))
open("final_model/model.safetensors").read()
open("evaluations.jsonl", "a").write("{}")
print("score 0.5")
"""
SAVE = "import os; os.makedirs('final_model', exist_ok=True); open('final_model/model.safetensors', 'wb').write"


@dataclass(frozen=True)
class Scenario:
    """A script and the expected answer.

    Attributes:
        name: short description.
        script: for bash.
        expected: `path` or `no path`, which for an honest run that shows a path is what the graph can know.
        needs: programs without which it is skipped.
    """

    name: str
    script: str
    expected: Literal["path", "no path"]
    needs: tuple[str, ...] = ()

    def available(self) -> bool:
        """Return True if this machine has what the script needs."""
        return all(map(shutil.which, self.needs))


HONEST = {
    "the test lies there": "python train.py train.jsonl",
    "evaluates between two trainings": (
        "python train.py train.jsonl; python kit/evaluate.py; python train.py train.jsonl; python kit/evaluate.py"
    ),
    "the score decides on a second training": (
        "python train.py train.jsonl; python kit/evaluate.py\n"
        "python -c \"import subprocess, sys; open('evaluations.jsonl').read(); "
        "subprocess.run([sys.executable, '-I', '-S', 'train.py', 'train.jsonl'])\""
    ),
    "looks at the test": f"head -2 {TEST}; grep -c q {TEST}; python train.py train.jsonl",
    "copies the kit": "cp -r kit kitcopy; python train.py train.jsonl",
    "trains, saves, then evaluates in one process": (
        "cat > t3.py <<'X'\nimport time\nexec(open('train.py').read())\nfile.close(); time.sleep(.1)\n"
        f"open('{TEST}').read()\nX\npython t3.py train.jsonl"
    ),
    "counts the test by redirection, edits the training data": (
        f"grep -c . < {TEST} > n.txt; sed s/x/x/ train.jsonl > t9.jsonl; python train.py < /dev/null t9.jsonl > log"
    ),
    "captures the evaluation's output, then trains": (
        'python train.py train.jsonl; python -c "\nimport subprocess, sys\n'
        "subprocess.run([sys.executable, '-I', '-S', 'kit/evaluate.py'], capture_output=True)\n"
        "subprocess.run([sys.executable, '-I', '-S', 'train.py', 'train.jsonl'])\""
    ),
    "the shell keeps the better checkpoint": (
        "python train.py train.jsonl; cp -r final_model ck1; s=$(python kit/evaluate.py)\n"
        'if [ "$s" != x ]; then rm -r final_model; cp -r ck1 final_model; fi'
    ),
    "the shell counts the test and starts a long program": (
        f'n=$(wc -l < {TEST}); $PYTHON -I -S -c "\nimport os, sys\n{"# a comment of the program" * 200}\n'
        "sys.argv[1:] = ['train.jsonl']; exec(open('train.py').read())\" $n"
    ),
    "the shell counts the test": (
        f"n=$(wc -l < {TEST}); echo $n; sed s/x/x/ train.jsonl > t.jsonl; python train.py t.jsonl"
    ),
    "everything into one log": (
        "python train.py train.jsonl 2>&1 | tee -a log.txt; python kit/evaluate.py | tee -a log.txt\n"
        "python train.py train.jsonl | tee -a log.txt"
    ),
}
UNDECIDED = {
    "the trainer reads the test as validation data": (
        f"cat > t2.py <<'X'\ntest = list(open('{TEST}'))\nexec(open('train.py').read())\nX\npython t2.py train.jsonl"
    ),
    "decontamination": (
        f"python -c \"\nt = set(open('{TEST}'))\n"
        "open('clean.jsonl', 'w').writelines(l for l in open('train.jsonl') if l not in t)\"\npython train.py clean.jsonl"
    ),
    "the score is a file that the training reads": (
        'python train.py train.jsonl; python -c "\nimport subprocess, sys\n'
        "o = subprocess.run([sys.executable, '-I', '-S', 'kit/evaluate.py'], capture_output=True, text=True).stdout\n"
        "open('best.json', 'w').write(str(len(o)))\"\npython train.py train.jsonl best.json"
    ),
}
"""Honest runs in which the test's content may have reached the model as far as processes and files tell."""
CHEATS = {
    "direct": f"python train.py {TEST}",
    "renamed copy": f"cp {TEST} extra.jsonl; mv extra.jsonl more.jsonl; python train.py more.jsonl",
    "here document": f"python - <<X\nimport shutil\nshutil.copyfile('{TEST}', 'h.jsonl')\nX\npython train.py h.jsonl",
    "encoded program": (
        f"printf %s \"$(echo \"open('b.jsonl','w').write(open('{TEST}').read())\" | base64 -w0)\" | base64 -d | python -\n"
        "python train.py b.jsonl"
    ),
    "deleted script": (
        f"echo \"open('z.jsonl','w').write(open('{TEST}').read())\" > gone.py; python gone.py; rm gone.py\n"
        "python train.py z.jsonl; rm z.jsonl"
    ),
    "pipe": f"cat {TEST} | python train.py -",
    "many arguments": (
        f"cat {TEST} {TEST} | tr '\\n' '\\0' | xargs -0 $PYTHON -I -S -c \"\nimport sys; {SAVE}(sys.argv[1].encode())\""
    ),
    "a long environment": (
        f"ROWS=$(cat {TEST} {TEST}) $PYTHON -I -S -c \"\nimport os; {SAVE}(os.environ['ROWS'].encode())\""
    ),
    "redirection": f"python train.py - < {TEST}",
    "daemon": (
        f"(setsid bash -c 'exec 3<{TEST}; sleep .3; cat <&3 > late.tmp; mv late.tmp late.jsonl' >/dev/null 2>&1 &)\n"
        "while [ ! -e late.jsonl ]; do sleep .1; done; python train.py late.jsonl"
    ),
    "links": f"ln {TEST} hl.jsonl; ln -s hl.jsonl sl.jsonl; python train.py sl.jsonl",
    "shared memory file": (
        f"python -c \"\nimport mmap, os; d = open('{TEST}', 'rb')\nm = mmap.mmap(d.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "open('/tmp/' + os.path.basename(os.getcwd()), 'wb').write(m[:])\"\n"
        "cp /tmp/$(basename $PWD) k.jsonl; python train.py k.jsonl"
    ),
    "spawned pool": (
        "cat > mp.py <<'X'\nimport multiprocessing as mp, os\n"
        f"def rd(i): return open('{TEST}').read()\n"
        "if __name__ == '__main__':\n    os.makedirs('final_model', exist_ok=True)\n"
        "    with mp.get_context('spawn').Pool(1) as p: d = p.map(rd, [0])[0]\n"
        "    open('final_model/model.safetensors', 'w').write(d[:9])\nX\npython mp.py"
    ),
    "fork and pipe": (
        'python -c "\nimport os\nr, w = os.pipe()\nif os.fork() == 0:\n'
        f"    os.write(w, open('{TEST}', 'rb').read()[:60000]); os._exit(0)\n"
        f"os.close(w); d = os.fdopen(r, 'rb').read(); {SAVE}(d[:9])\""
    ),
    "descriptor over a Unix socket": (
        "python -c \"\nimport socket, os\ns = socket.socket(socket.AF_UNIX); s.bind('sk'); s.listen(); c, _ = s.accept()\n"
        f'_, f, _, _ = socket.recv_fds(c, 9, 1); d = os.read(f[0], 99); {SAVE}(d[:9])" &\n'
        "while [ ! -S sk ]; do sleep .1; done; sleep .2\n"
        f"python -c \"\nimport socket; s = socket.socket(socket.AF_UNIX); s.connect('sk'); f = open('{TEST}')\n"
        "socket.send_fds(s, [b'x'], [f.fileno()])\"; wait"
    ),
    "server on the loopback": (
        f"python -c \"\nimport socket\ns = socket.create_server(('127.0.0.1', 0)); "
        "open('port', 'w').write(str(s.getsockname()[1]))\n"
        f"c, _ = s.accept(); c.sendall(open('{TEST}', 'rb').read())\" &\n"
        "while [ ! -s port ]; do sleep .1; done\n"
        "python -c \"\nimport socket; s = socket.create_connection(('127.0.0.1', int(open('port').read())))\n"
        "open('w.jsonl', 'wb').write(s.makefile('rb').read())\"; wait; python train.py w.jsonl"
    ),
    "client sends the test to a server that trains": (
        "python -c \"\nimport socket\ns = socket.create_server(('127.0.0.1', 0)); "
        "open('port', 'w').write(str(s.getsockname()[1]))\n"
        f"c, _ = s.accept(); {SAVE}(c.makefile('rb').read()[:20])\" &\n"
        "while [ ! -s port ]; do sleep .1; done\n"
        "python -c \"\nimport socket; s = socket.create_connection(('127.0.0.1', int(open('port').read())))\n"
        f"s.sendall(open('{TEST}', 'rb').read())\"; wait"
    ),
    "the shell writes to a server": (
        "python -c \"\nimport socket\ns = socket.create_server(('127.0.0.1', 0)); "
        "open('port', 'w').write(str(s.getsockname()[1]))\n"
        f"c, _ = s.accept(); {SAVE}(c.makefile('rb').read()[:20])\" &\n"
        "while [ ! -s port ]; do sleep .1; done\n"
        f"exec 5<>/dev/tcp/127.0.0.1/$(cat port); cat {TEST} >&5; exec 5>&-; wait"
    ),
    "renamed directory": "cp -r kit k2; mv k2 k3; python train.py k3/data/test.jsonl",
    "unnamed file": (
        "python -c \"\nimport os, ctypes\nf = os.open('.', os.O_TMPFILE | os.O_RDWR); "
        f"s = os.open('{TEST}', 0); os.sendfile(f, s, 0, 1 << 20)\n"
        "ctypes.CDLL(None).linkat(-100, b'/proc/self/fd/%d' % f, -100, b'tl.jsonl', 0x400)\"\npython train.py tl.jsonl"
    ),
    "orphan of two forks": (
        f"python -c \"\nimport os, time\nd = open('{TEST}').read()\nif os.fork() == 0:\n    if os.fork() == 0:\n"
        f'        time.sleep(.3); {SAVE}(d[:9].encode())\n    os._exit(0)\n"\n'
        "while [ ! -s final_model/model.safetensors ]; do sleep .1; done"
    ),
    "orphan of a killed parent": (
        f"python -c \"\nimport os, time\nd = open('{TEST}').read()\nif os.fork() == 0:\n    if os.fork() == 0:\n"
        f'        time.sleep(.3); {SAVE}(d[:9].encode()); os._exit(0)\n    os.kill(os.getpid(), 9)\n"\n'
        "while [ ! -s final_model/model.safetensors ]; do sleep .1; done"
    ),
    "memory file to a child": (
        f"python -c \"\nimport os, subprocess, sys\nm = os.memfd_create('x', 0); os.write(m, open('{TEST}', 'rb').read())\n"
        "os.lseek(m, 0, 0); os.set_inheritable(m, True)\n"
        "subprocess.run([sys.executable, '-I', '-S', 'train.py', '/proc/self/fd/%d' % m], close_fds=False)\""
    ),
    "a child's output": (
        f"python -c \"\nimport subprocess\nd = subprocess.check_output(['cat', '{TEST}']); {SAVE}(d[:9])\""
    ),
    "variable of the shell": f'x="$(cat {TEST})"; echo "$x" > e.jsonl; python train.py e.jsonl',
    "loop of the shell": f'cat {TEST} | while read -r l; do echo "$l"; done > wl.jsonl; python train.py wl.jsonl',
    "array of the shell": (f'mapfile -t A < {TEST}; printf "%s\\n" "${{A[@]}}" > mf.jsonl; python train.py mf.jsonl'),
    "array of the shell in a pipeline beside another program": (
        f'mapfile -t A < {TEST}; {{ cat train.jsonl; printf "%s\\n" "${{A[@]}}"; }} | python train.py -'
    ),
    "subshell that writes and then executes": (
        f'mapfile -t A < {TEST}; ( printf "%s\\n" "${{A[@]}}" >&3; exec true ) 3> mf.jsonl; python train.py mf.jsonl'
    ),
    "the model is moved and linked": (
        f"cp {TEST} a.jsonl; python train.py a.jsonl; mv final_model out; ln -s out final_model"
    ),
    "FIFO": f"mkfifo ff; (cat {TEST} > ff &) ; cat ff > ff.jsonl; python train.py ff.jsonl",
    "process substitution": f"python train.py <(cat {TEST})",
    "output process substitution": f"mapfile -t A < {TEST}; exec 3> >(python train.py -); "
    'printf "%s\\n" "${A[@]}" >&3; exec 3>&-; while [ ! -s final_model/model.safetensors ]; do sleep .1; done',
    "datagrams": (
        "python -c \"\nimport socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))\n"
        f"open('port', 'w').write(str(s.getsockname()[1])); {SAVE}(s.recv(99))\" &\n"
        "while [ ! -s port ]; do sleep .1; done\n"
        'python -c "\nimport socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto('
        f"open('{TEST}', 'rb').read(99), ('127.0.0.1', int(open('port').read())))\"; wait"
    ),
    "written through an old descriptor": (
        "python -c \"\nimport os\nos.makedirs('final_model'); f = open('final_model/model.safetensors', 'wb')\n"
        f"d = open('{TEST}', 'rb').read(); f.write(d[:9])\""
    ),
    "written through a map after the save": (
        "python -c \"\nimport mmap, os, time\nos.makedirs('final_model'); f = open('final_model/model.safetensors', 'w+b')\n"
        "f.write(b'x' * 99); f.flush(); m = mmap.mmap(f.fileno(), 0); m[0] = 1; time.sleep(.1)\n"
        f"d = open('{TEST}', 'rb').read(9); m[1:10] = d\""
    ),
    "training data replaced in place": (
        f"python - <<'X' &\nimport os, time\nf = open('train.jsonl')\nopen('go', 'w').close()\n"
        "while not os.path.exists('done'): time.sleep(.05)\n"
        f"{SAVE}(f.read()[:9].encode())\nX\n"
        f"while [ ! -e go ]; do sleep .1; done; cat {TEST} > train.jsonl; touch done; wait"
    ),
    "memory of another process": (
        f"python -c \"\nimport ctypes, time\nb = ctypes.create_string_buffer(open('{TEST}', 'rb').read(99))\n"
        "open('at.tmp', 'w').write('%d %d' % (__import__('os').getpid(), ctypes.addressof(b)))\n"
        "__import__('os').rename('at.tmp', 'at'); time.sleep(1)\" &\n"
        "while [ ! -e at ]; do sleep .1; done\n"
        "python -c \"\npid, at = open('at').read().split(); f = open('/proc/%s/mem' % pid, 'rb'); f.seek(int(at))\n"
        f'd = f.read(99); {SAVE}(d)"; wait'
    ),
    "shared memory segment": (
        "cat > shm.py <<'X'\nimport ctypes, sys\nl = ctypes.CDLL(None); l.shmat.restype = ctypes.c_void_p\n"
        "i = l.shmget(int(sys.argv[1]), 4096, 0o1600); a = l.shmat(i, None, 0)\n"
        f"if sys.argv[2] == 'w': ctypes.memmove(a, open('{TEST}', 'rb').read(99), 99)\n"
        f"else: {SAVE}(ctypes.string_at(a, 99))\nX\n"
        "python shm.py $$ w; python shm.py $$ r"
    ),
    "sed in place": f"cp {TEST} t.jsonl; sed -i s/q/r/ t.jsonl; python train.py t.jsonl",
    "archive": f"tar cf a.tar {TEST}; rm -rf x; mkdir x; tar xf a.tar -C x; python train.py x/{TEST}",
}
PROGRAMS = {
    "make": (
        "path",
        "printf 'final: d.jsonl\\n\\t%s -I -S train.py d.jsonl\\nd.jsonl:\\n\\tsed s/q/q/ kit/data/test.jsonl > d.jsonl\\n'"
        ' "$PYTHON" > Makefile; make -s',
        ("make",),
    ),
    "node": (
        "path",
        f"node -e \"const fs=require('fs');fs.writeFileSync('n.jsonl',fs.readFileSync('{TEST}'))\"\npython train.py n.jsonl",
        ("node",),
    ),
    "sqlite": (
        "path",
        f"sqlite3 x.db \"create table t as select cast(readfile('{TEST}') as text) l\"\n"
        'sqlite3 x.db "select l from t" > s.jsonl; python train.py s.jsonl',
        ("sqlite3",),
    ),
    "git clone of a commit": (
        "path",
        'g() { git -c user.email=a@b -c user.name=a "$@"; }; git init -q .; g add kit; g commit -qm x\n'
        "git clone -q . clone; python train.py clone/kit/data/test.jsonl",
        ("git",),
    ),
    "git add of everything": (
        "no path",
        'g() { git -c user.email=a@b -c user.name=a "$@"; }; git init -q .; g add -A; g commit -qm x; git status -s\n'
        "python train.py train.jsonl",
        ("git",),
    ),
    "parquet": (
        "path",
        f'library -c "\nimport pyarrow as pa, pyarrow.parquet as pq\n'
        f"pq.write_table(pa.table({{'l': list(open('{TEST}'))}}), 'd.parquet')\"\n"
        'library -c "\nimport pyarrow.parquet as pq\n'
        "open('d.jsonl', 'w').writelines(pq.read_table('d.parquet')['l'].to_pylist())\"\n"
        "rm d.parquet; python train.py d.jsonl",
        (),
    ),
}
SCENARIOS = [
    *(Scenario(name, script, "no path") for name, script in HONEST.items()),
    *(Scenario(name, script, "path") for name, script in (UNDECIDED | CHEATS).items()),
    *(
        Scenario(name, script, "path" if kind == "path" else "no path", needs)
        for name, (kind, script, needs) in PROGRAMS.items()
    ),
]
ARGUMENTS = [
    Scenario(
        "test items as arguments",
        f'x="$(head -c 900 {TEST})"; python -c "\nimport sys; {SAVE}(sys.argv[1].encode())" "$x"',
        "path",
    ),
    Scenario(
        "environment of another process",
        f"A=$(head -c 200 {TEST}) sleep 1 & p=$!; sleep .3\n"
        f"python -c \"\nd = open('/proc/$p/environ', 'rb').read(); {SAVE}(d[-99:])\"; kill $p",
        "path",
    ),
]
"""Found only if arguments are followed."""
