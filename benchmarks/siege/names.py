"""J7 to J10: names that are paths, other sites, and what no answer may hold."""

import base64
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks.siege import draw
from benchmarks.siege.found import Found

STEPS = ("../", "..\\", "%2e%2e%2f", "..%2f", "%252e%252e%252f", "....//", "..;/")
PLACES = ("etc/passwd", "proc/self/environ", "tmp/owned", "x.png")
FILES = [
    *(step * 6 + place for step in STEPS for place in PLACES),
    "/etc/passwd", "\\\\host\\share\\x", "C:\\windows\\win.ini", "C:x.png", "//x",
    "x\0.png", "x%00.png", ".", "..", " ", "x.png/", "/", "~/.ssh/id", "$HOME/x",
    "\uff0e\uff0e\uff0fx", "\u202egnp.x", "<script>alert(1)</script>.png",
    "\"><img src=x onerror=alert(1)>.png", "{{7*7}}.png", "${7*7}", "`id`", "$(id)",
    "; rm -rf /", "| id", "x" * 5000, "con", "nul", "aux.png", "x\ty.png",
    "file:///etc/passwd", "http://127.0.0.1/", "data:text/html,x",
]  # fmt: skip
"""What a client may call its file."""

MODELS = [
    *(step * 4 + place for step in STEPS[:5] for place in PLACES),
    "gs://bucket/x", "s3://bucket/x", "http://169.254.169.254/", "https://x/y.segjax",
    "file:///etc/passwd", "ftp://x", "a.py", "os.system", "__class__", "__import__",
    "{{7*7}}", "{%print(1)%}", "${7*7}", "#{7*7}", ";id", "|id", "&&id", "`id`",
    "$(id)", "' or 1=1 --", "\" or \"\"=\"", "<script>", "%s%n", "%00", "\u200b",
    "\uff54\uff49\uff4e\uff59", "null", "None", "0", "-1", "true", "[]", "{}", "*", "?",
    "model.segjax", "../model", "MODEL", "con", "x" * 900,
]  # fmt: skip
"""What a client may call a model."""

LEAKS = re.compile(r"/home|/root|/work|/usr/|Traceback|site-packages|0x7f|uvicorn")

SUFFIX = ".segjax"

OPENS = re.compile(r'^(?:\d+ +)?(\w+)\(.*?"([^"]*)"(.*)')


def paths(target, share):
    """J7, J8, J10: names and metadata, while every file that is opened is noted."""
    del share
    found = Found(
        "J7-8",
        f"{len(FILES)} names of files, {len(MODELS)} of models, {50} with metadata",
        "no file or socket is opened for them, none of it is in an answer; constant "
        "404s",
    )
    tagged = draw.tagged(Image.fromarray(draw.scene(48, 64)))
    target.predict(tagged)  # so that all code is loaded
    target.get(f"/models/{target.name}/download")
    with _traced(target) as opened:
        plain = target.predict(tagged).json()["models"][0]["maps"]
        for name in FILES:
            answer = target.predict(tagged, file=(name, tagged))
            if len(name) > 4000:  # longer than a header may be
                found.hold(answer.status_code == 400, f"file of {len(name)} letters")
                continue
            good = answer.status_code == 200
            same = good and answer.json()["models"][0]["maps"] == plain
            found.hold(same, f"file {name!r}: {answer.status_code}")
            told = len(name) > 3 and name in answer.text
            found.hold(not told, f"file {name!r} is in the answer")
        bodies = set()
        for name in MODELS:
            answer = target.predict(tagged, models=f"{name},nobody")
            bodies.add(answer.text)
            found.hold(answer.status_code == 404, f"model {name!r}")
        found.hold(len(bodies) == 1, f"{len(bodies)} kinds of 404")
        found.hold(not _marked(plain.values()), "metadata is in a map")
        for _ in range(50):
            mask = target.mask(tagged).content
            found.hold(not _marked([mask]), "metadata is in a mask")
        target.get(f"/models/{target.name}/download")
    if opened is None:
        found.failures.append("strace is not here, so files were not watched")
    else:
        others = [o for o in opened if not o.endswith(SUFFIX)]
        found.hold(len(others) < len(opened), "a download was not seen: no watch")
        found.hold(not others, f"opened {sorted(set(others))[:5]}")
        opened = others
    found.figures = {
        "files opened": "not watched" if opened is None else len(opened),
        "kinds of 404": len(bodies),
    }
    return found


def manners(target, share):
    """J9: wrong methods, types, hosts and origins; and what no answer may hold."""
    del share
    found = Found("J9", "wrong methods, types, hosts, origins", "4xx, and no leak")
    url = "/api/predict"
    asked = [
        *((m, url, {}, 405) for m in ("GET", "PUT", "DELETE", "TRACE", "PATCH", "FOO")),
        ("POST", "/api/models", {}, 405),
        ("POST", "/healthz", {}, 405),
        ("GET", "/docs", {}, 404),
        ("GET", "/static/../../../etc/passwd", {}, 404),
        ("GET", "/.git/config", {}, 404),
        ("GET", "/models/..%2f..%2fetc/card", {}, 404),
        *(
            ("POST", url, {"content-type": kind}, 400)
            for kind in ("application/json", "text/xml", "multipart/form-data", "")
        ),
        *(
            ("POST", url, {"host": host}, 400)
            for host in ("evil.example", "127.0.0.1.evil.example", "[")
        ),
        *(
            ("POST", url, {"origin": origin}, 403)
            for origin in ("https://evil.example", "null", "http://localhost:1")
        ),
        ("POST", url, {"sec-fetch-site": "cross-site"}, 403),
    ]
    for method, path, headers, status in asked:
        answer = target.client.request(method, path, headers=headers, content=b"{}")
        what = f"{method} {path} {headers}"
        found.hold(answer.status_code == status, f"{what}: {answer.status_code}")
        safe = answer.headers.get("x-content-type-options") == "nosniff"
        safe = (
            safe and "default-src 'none'" in answer.headers["content-security-policy"]
        )
        found.hold(safe, f"{what}: unguarded")
        open_to_all = "access-control-allow-origin" in answer.headers
        found.hold(not open_to_all, f"{what}: open to other sites")
        leak = LEAKS.search(answer.text + str(answer.headers))
        found.hold(not leak, f"{what}: tells {leak}")
    found.figures = {"requests": len(asked)}
    return found


def _marked(maps):
    """Whether the mark of a picture's metadata is in any of some files."""
    contents = [
        base64.b64decode(m.partition(",")[2]) if isinstance(m, str) else m for m in maps
    ]
    return any(draw.MARK.encode() in c or b"Exif" in c for c in contents)


class _traced:
    """Notes the files and addresses that the processes of a target open in a block.

    `None` where strace is not installed. What is read of /proc by decoders, to know
    how much memory they have, is left out.
    """

    def __init__(self, target):
        self._target = target

    def __enter__(self):
        if shutil.which("strace") is None:
            return None
        self._file = tempfile.NamedTemporaryFile(suffix=".strace")
        pids = [p for group in self._target.processes().values() for p in group]
        calls = "trace=open,openat,openat2,creat,mkdir,unlink,rename,connect,execve"
        self._process = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", calls, "-o", self._file.name]
            + [word for pid in pids for word in ("-p", str(pid))],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1.5)
        self.opened = []
        return self.opened

    def __exit__(self, *_):
        if shutil.which("strace") is None:
            return
        time.sleep(0.5)
        self._process.terminate()
        self._process.wait()
        for line in Path(self._file.name).read_text(errors="replace").splitlines():
            match = OPENS.match(line)
            if match and match[2] != "/proc/self/statm":
                self.opened.append(f"{match[1]} {match[2]}")
        self._file.close()
