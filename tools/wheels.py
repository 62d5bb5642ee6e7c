#!/usr/bin/env python3
"""Puts libtorch and Arrow (headers and libraries) where CMake looks for them.

usage: wheels.py --prefix FOLDER [--torch auto|download|cuda|FOLDER] [--arrow auto|download|FOLDER]

auto takes, in this order: on a machine with an NVIDIA driver for libtorch an installed CUDA build of torch 2.11, else the
wheels with CUDA's libraries (2.3 GB; cuda takes them anywhere, download never); what the prefix already holds; the wheels of wheels.lock, downloaded with pip and kept in the cache under their hash; and, when
the download fails, an installed torch 2.11 or pyarrow. FOLDER is an installed package's folder. The choice is written
to PREFIX/chosen.cmake.

Lines on stdout begin with "progress " (may be overwritten) or "say " (should stay).
"""

import argparse
import fnmatch
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

LOCK = Path(__file__).with_name("wheels.lock")
MANYLINUX = [28, 27, 26, 25, 24, 18, 17]  # glibc 2.N, the newest first
TORCH_SERIES = "2.11."
ARROW_OLDEST = 17

# Folder in the prefix -> package -> [(files in the wheel, where they go)]. libtorch_cpu.so needs the two small CUDA
# libraries to load; libtorch_cuda.so, a gigabyte with its company, is what a CPU run never loads.
PYTHONS = ["libtorch_python*", "libtorch.so", "libshm*", "libtorch_global_deps*", "*_graph.so"]
NOT_NEEDED = {
    "torch": PYTHONS + ["libtorch_cuda*", "libc10_cuda*", "libtorch_nvshmem*", "libcaffe2_nvrtc*"],
    "torch-cuda": PYTHONS + ["nvshmem_*", "*.alt.so*", "libnvperf*", "libcufftw*", "libcusolverMg*", "libnvblas*",
                             "libcheckpoint*", "libpcsamplingutil*", "libcufile_rdma*"],
    "arrow": [],
}
CUDA = [("nvidia/*/lib/*.so*", "lib")]
PARTS = {
    "torch": {
        "torch": [("torch/include/*", "include"), ("torch/lib/*.so*", "lib")],
        "nvidia-cuda-runtime": [("nvidia/cu13/lib/libcudart.so.*", "lib")],
        "nvidia-cuda-cupti": [("nvidia/cu13/lib/libcupti.so.*", "lib")],
    },
    "torch-cuda": {
        "torch": [("torch/include/*", "include"), ("torch/lib/*.so*", "lib")],
        "nvidia-cublas": CUDA, "nvidia-cuda-cupti": CUDA, "nvidia-cuda-nvrtc": CUDA, "nvidia-cuda-runtime": CUDA,
        "nvidia-cudnn-cu13": CUDA, "nvidia-cufft": CUDA, "nvidia-cufile": CUDA, "nvidia-curand": CUDA,
        "nvidia-cusolver": CUDA, "nvidia-cusparse": CUDA, "nvidia-cusparselt-cu13": CUDA, "nvidia-nccl-cu13": CUDA,
        "nvidia-nvjitlink": CUDA, "nvidia-nvshmem-cu13": CUDA,
    },
    "arrow": {
        "pyarrow": [("pyarrow/include/*", "include"), ("pyarrow/libarrow.so.*", "lib"),
                    ("pyarrow/libparquet.so.*", "lib")],
    },
}


class Failure(Exception):
    """A message for the user."""


def say(text):
    print("say", text, flush=True)


def progress(text):
    print("progress", text, flush=True)


class Wheel:
    def __init__(self, name, version, arch, size_mb, sha256):
        self.name, self.version, self.arch, self.sha256 = name, version, arch, sha256
        self.size_mb = int(size_mb)

    def __str__(self):
        return f"{self.name} {self.version}"


def read_lock():
    """package -> Wheel for this machine."""
    arch = platform.machine()
    rows = [line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    wheels = {row[0]: Wheel(*row) for row in rows if row[2] == arch}
    if not wheels:
        raise Failure(f"no wheels are known for {arch} (only x86_64 and aarch64). Install torch 2.11 and pyarrow, and "
                      "set QK_TORCH and QK_ARROW to their folders")
    return wheels


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("QK_CACHE") or Path(base) / "sniff-qk") / "wheels"


def sha256_of(file):
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def remove_left_overs(folder):
    """What a killed set-up left; another one may be at work in the same cache, so only what is a day old."""
    for partial in folder.glob("partial-*"):
        if time.time() - partial.stat().st_mtime > 24 * 3600:
            shutil.rmtree(partial, ignore_errors=True)


def pip_command():
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if shutil.which(name):
            return [name]
    raise Failure("pip is missing. Install it: apt-get install python3-pip")


def bytes_below(folder):
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(parent, name))
            except OSError:  # pip renamed it meanwhile
                continue
    return total


def pip_download(wheel, folder, patient):
    """Runs pip download into `folder` with the user's own pip configuration. Throws Failure with pip's last words."""
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    platforms = [f"--platform=manylinux_2_{glibc}_{wheel.arch}" for glibc in MANYLINUX]
    command = pip_command() + [
        "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir",
        "--disable-pip-version-check", f"--retries={5 if patient else 0}",
        "--python-version=311", "--implementation=cp", "--abi=cp311", "--abi=none",
        f"--platform=manylinux2014_{wheel.arch}", *platforms, f"--dest={folder}", f"--requirement={requirement}"]
    environment = dict(os.environ, TMPDIR=str(folder))
    with open(folder / "pip.log", "w+") as log:
        pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        ended = threading.Event()
        threading.Thread(target=lambda: (pip.wait(), ended.set()), daemon=True).start()
        while not ended.wait(0.5):
            progress(f"{wheel}: {min(bytes_below(folder) // 10**6, wheel.size_mb)} of {wheel.size_mb} MB")
        if pip.returncode != 0:
            log.seek(0)
            raise Failure(f"pip could not download {wheel}: {reason_in(log.read())}")


def reason_in(output):
    """pip's last words; where it never reached the index, that instead of "no matching distribution"."""
    if "from versions: none" in output or "Failed to establish a new connection" in output:
        return "it reached no package index (no network, or a proxy or mirror is missing in pip's configuration)"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def fetch(wheel, patient):
    """The wheel's file in the cache; downloads it when it isn't there."""
    folder = cache_folder() / wheel.sha256
    found = list(folder.glob("*.whl"))
    if found and sha256_of(found[0]) == wheel.sha256:
        progress(f"{wheel}: in the cache")
        return found[0]
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_left_overs(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="partial-") as partial:
        pip_download(wheel, Path(partial), patient)
        file = next(Path(partial).glob("*.whl"))
        if sha256_of(file) != wheel.sha256:
            raise Failure(f"{file.name} has another SHA-256 than {LOCK.name} says")
        folder.mkdir(exist_ok=True)
        return Path(shutil.move(str(file), folder / file.name))


def place_of(name, patterns, not_needed):
    """Where a file of the wheel goes: include/..., lib/...; None when it isn't needed."""
    base = Path(name).name
    for pattern, folder in patterns:
        if name.endswith("/") or not fnmatch.fnmatch(name, pattern):
            continue
        if folder == "include":
            return Path(folder, name.split("/include/", 1)[1])
        if not any(fnmatch.fnmatch(base, skipped) for skipped in not_needed):
            return Path(folder, base)
    return None


def unpack(wheel, file, patterns, not_needed, target):
    progress(f"{wheel}: unpacking")
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            place = place_of(name, patterns, not_needed)
            if not place:
                continue
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, open(target / place, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)


def stamp_of(part, wheels):
    return " ".join(f"{name} {wheels[name].version} {wheels[name].sha256}" for name in PARTS[part])


def is_complete(prefix, part, wheels):
    stamp = prefix / part / "stamp"
    return stamp.exists() and stamp.read_text() == stamp_of(part, wheels)


def download_part(prefix, part, wheels, patient):
    """Fills PREFIX/PART: unpacked beside it, then renamed, so that it is whole or not there."""
    needed = sum(wheels[name].size_mb for name in PARTS[part]) * 3 * 10**6
    prefix.mkdir(parents=True, exist_ok=True)
    remove_left_overs(prefix)
    if shutil.disk_usage(prefix).free < needed:
        raise Failure(f"{prefix} needs {needed / 1e9:.1f} GB of free disk space")
    with tempfile.TemporaryDirectory(dir=prefix, prefix="partial-") as partial:
        fresh = Path(partial) / part
        for name, patterns in PARTS[part].items():
            unpack(wheels[name], fetch(wheels[name], patient), patterns, NOT_NEEDED[part], fresh)
        (fresh / "stamp").write_text(stamp_of(part, wheels))
        shutil.rmtree(prefix / part, ignore_errors=True)
        fresh.rename(prefix / part)
    shown = [str(wheels[name]) for name in PARTS[part]]
    more = f" and {len(shown) - 4} more" if len(shown) > 5 else ""
    say(f"{', '.join(shown[:4] if more else shown)}{more} -> {prefix / part}")


SPEC = "import importlib.util, sys; spec = importlib.util.find_spec(sys.argv[1]); print(spec.origin if spec else '')"


def installed(package):
    """(folder, version) of an installed torch or pyarrow with headers and libraries, found without importing it."""
    pythons = [path for path in (shutil.which("python3"), shutil.which("python"), "/usr/bin/python3") if path]
    for python in dict.fromkeys(pythons):
        answer = subprocess.run([python, "-c", SPEC, package], capture_output=True, text=True, cwd="/")
        origin = answer.stdout.strip()
        if answer.returncode != 0 or not origin:
            continue
        folder = Path(origin).parent
        version = version_of(package, folder)
        if version and suits(package, version):
            return folder, version
    return None


def version_of(package, folder):
    """The version as the headers say it; None when headers or libraries are missing."""
    if package == "torch":
        header, library = folder / "include/torch/headeronly/version.h", folder / "lib/libtorch_cpu.so"
        pattern = r"#define TORCH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)"
    else:
        header, library = folder / "include/arrow/util/config.h", next(folder.glob("libparquet.so*"), folder / "none")
        pattern = r"#define ARROW_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)"
    if not header.exists() or not library.exists():
        return None
    return ".".join(re.findall(pattern, header.read_text())[:3])


def suits(package, version):
    if package == "torch":
        return version.startswith(TORCH_SERIES)
    return int(version.split(".")[0]) >= ARROW_OLDEST


def has_nvidia_driver():
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists()


def choose(part, wish, prefix, wheels):
    """The folder to build against; None for PREFIX/PART."""
    package = "torch" if part == "torch" else "pyarrow"
    if wish not in ("auto", "download", "cuda"):
        folder = Path(wish).expanduser().resolve()
        say(f"{package} of {folder}, as told")
        return folder
    found = installed(package) if wish == "auto" else None
    if found and part == "torch" and has_nvidia_driver() and (found[0] / "lib/libtorch_cuda.so").exists():
        say(f"installed CUDA build of torch {found[1]}: {found[0]}")
        return found[0]
    if part == "torch" and (wish == "cuda" or (wish == "auto" and has_nvidia_driver())):
        if folder := with_cuda(wish, prefix, wheels):
            return folder
    if is_complete(prefix, part, wheels):
        return None
    try:
        download_part(prefix, part, wheels, patient=not found)
        return None
    except Failure as failure:
        if found:
            say(failure)
            say(f"taking the installed {package} {found[1]} instead: {found[0]}")
            return found[0]
        variable = "QK_TORCH" if part == "torch" else "QK_ARROW"
        wanted = "torch 2.11" if part == "torch" else f"pyarrow {ARROW_OLDEST} or later"
        raise Failure(f"{failure}\nWithout network: install {wanted} another way and set {variable} to its folder, or "
                      f"copy a filled cache to {cache_folder()}") from None


def with_cuda(wish, prefix, wheels):
    """The folder with the wheels' CUDA build; None where it could not be had and a CPU's will do."""
    part = "torch-cuda"
    try:
        if not is_complete(prefix, part, wheels):
            say("libtorch with CUDA's libraries: 2.3 GB, once (QK_TORCH=download takes the CPU's only)")
            download_part(prefix, part, wheels, patient=True)
        return prefix / part
    except Failure as failure:
        if wish == "cuda":
            raise
        say(f"{failure}; going on without CUDA")
        return None


def write_choice(prefix, folders):
    lines = [f'set(QK_CHOSEN_{part.upper()} "{folder}")\n' for part, folder in folders.items() if folder]
    prefix.mkdir(parents=True, exist_ok=True)
    file = prefix / "chosen.cmake"
    if not file.exists() or file.read_text() != "".join(lines):
        file.write_text("".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", required=True, type=Path)
    parser.add_argument("--torch", default="auto")
    parser.add_argument("--arrow", default="auto")
    arguments = parser.parse_args()
    prefix = arguments.prefix.resolve()
    try:
        told = arguments.torch not in ("auto", "download", "cuda") and arguments.arrow not in ("auto", "download")
        wheels = {} if told else read_lock()
        write_choice(prefix, {"torch": choose("torch", arguments.torch, prefix, wheels),
                              "arrow": choose("arrow", arguments.arrow, prefix, wheels)})
    except (Failure, OSError) as failure:
        sys.exit(f"set-up: {failure}")


if __name__ == "__main__":
    main()
