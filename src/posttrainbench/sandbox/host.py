"""Host files that a sandbox without an image mounts read-only: the system's programs and this Python environment."""

import site
import sys
from pathlib import Path

ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "ssl/certs",
    "ssl/openssl.cnf",
    "mime.types",
)
FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64")


def host_links() -> dict[str, str]:
    """Return the symlinks of the root directory: path -> target, such as `/bin` -> `usr/bin`."""
    return {f"/{name}": str(Path("/", name).readlink()) for name in FOLDERS if Path("/", name).is_symlink()}


def host_binds() -> list[Path]:
    """Return the system's directories and files, to be mounted at the same paths; nothing of any user's home."""
    folders = [Path("/", name) for name in ("usr", *FOLDERS)]
    paths = [path for path in folders if path.is_dir() and not path.is_symlink()]
    return paths + [path for path in (Path("/etc", name) for name in ETC) if path.exists()]


def python_binds() -> list[Path]:
    """Return the directories of this Python environment outside `/usr`; mount them last, as they may be below a mount.

    These are its prefixes, and the `site-packages` of another environment that it is stacked on. Other directories of
    `sys.path`, such as the sources of packages in development, are left out.
    """
    places = [Path(prefix) for prefix in dict.fromkeys((sys.base_prefix, sys.prefix))]
    for folder in map(Path, sys.path):
        is_site = folder.name == "site-packages" and folder.is_dir() and str(folder) != site.getusersitepackages()
        if is_site and not any(folder.is_relative_to(place) for place in places):
            places.append(folder)
    return [place for place in places if not place.is_relative_to("/usr")]


def kernel_files() -> list[Path]:
    """Return the entries of `/proc` that concern the whole kernel and are writable for host root.

    A process whose user is root on the host needs no capability to write to them: the kernel checks only the owner.
    """
    paths = []
    for path in sorted(Path("/proc").iterdir()):
        if not path.name.isdigit() and not path.is_symlink() and (path.is_dir() or path.stat().st_mode & 0o222):
            paths.append(path)
    return paths
