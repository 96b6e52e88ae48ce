"""Where findings are kept: a directory per defect, safe against other processes and full disks."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from stress.errors import InvalidArgument
from stress.finding import Finding
from stress.finding_format import decode_finding, encode_finding

FINDING_FILE = "finding.json"
REPLAY_FILE = "replay.txt"
DEFAULT_DIRECTORY = Path(".stress/findings")

# Programs may print gigabytes: of each raw file the last bytes are the ones that tell.
_ARTIFACT_BYTES_MAX = 16 * 2**20

_IMPORTABLE = re.compile(r"(?!__main__:)[\w.]+:[\w.]+")


class SaveFailed(InvalidArgument):
    """A finding could not be written, say on a full disk. `finding` is whole: report it."""

    def __init__(self, message: str, finding: Finding) -> None:
        super().__init__(message)
        self.finding = finding


class FindingStore:
    """Findings under `directory`: `ID/finding.json`, the raw files of the trial, `replay.txt`.

    Any number of processes may save at once. The files are private to no one: they hold what
    the program printed.
    """

    def __init__(self, directory: Path | str = DEFAULT_DIRECTORY) -> None:
        self.directory = Path(directory)

    def check_writable(self) -> None:
        """Make the directory and write into it. Call before a run, so that nothing is lost.

        Raises InvalidArgument when that cannot be.
        """
        probe = self.directory / f".probe-{os.getpid()}"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            try:
                probe.write_bytes(b"x" * 4096)
            finally:
                with contextlib.suppress(OSError):
                    probe.unlink(missing_ok=True)
        except OSError as error:
            raise InvalidArgument(
                f"the findings directory {self.directory} cannot be written "
                f"({_reason(error)}); name another one with --findings"
            ) from error

    def save(self, finding: Finding, artifacts_directory: Path | str | None = None) -> Finding:
        """Keep `finding`, and copies of the raw files in `artifacts_directory`.

        A defect already kept has its count raised by `finding.count` and keeps its first
        evidence; only a schedule, which replays exactly, takes the place of what was there: the
        latest is the one that fits the program of today. Returns the finding as it is now kept,
        with its directory and replay command.
        Raises SaveFailed when it cannot be kept; what was kept before is then as it was.
        """
        try:
            with self._locked():
                known = self._directory_of(finding.fingerprint)
                if known is not None:
                    return self._count(known, finding)
                return self._keep(finding, artifacts_directory)
        except OSError as error:
            raise SaveFailed(
                f"finding {finding.id} could not be saved in {self.directory} "
                f"({_reason(error)}); free some space or name another directory with --findings",
                finding,
            ) from error
        except SaveFailed:
            raise
        except InvalidArgument as error:
            raise SaveFailed(f"finding {finding.id} was not saved: {error}", finding) from error

    def load(self, reference: Path | str) -> Finding:
        """The finding that `reference` names: a finding.json, its directory, or an ID.

        Raises InvalidArgument when there is none, or when it cannot be read.
        """
        path = self._resolve(reference)
        finding = decode_finding(_read(path), str(path))
        return _placed(finding, path.parent)

    def list(
        self, on_damage: Callable[[InvalidArgument], None] | None = None
    ) -> tuple[Finding, ...]:
        """All findings, by ID. What cannot be read goes to `on_damage`, or is raised without it."""
        found = []
        for path in self._files():
            try:
                found.append(self.load(path))
            except InvalidArgument as error:
                if on_damage is None:
                    raise
                on_damage(error)
        return tuple(found)

    def _files(self) -> tuple[Path, ...]:
        try:
            return tuple(sorted(self.directory.glob(f"*/{FINDING_FILE}")))
        except OSError as error:
            raise InvalidArgument(
                f"the findings directory {self.directory} cannot be read ({_reason(error)})"
            ) from error

    def _resolve(self, reference: Path | str) -> Path:
        try:
            for path in (Path(reference), self.directory / reference):
                if path.is_dir() and (path / FINDING_FILE).exists():
                    return path / FINDING_FILE
                if path.exists() and not path.is_dir():
                    return path
        except (OSError, ValueError) as error:
            raise InvalidArgument(
                f"the finding {str(reference)!r} cannot be read: {error}"
            ) from error
        known = [path.parent.name for path in self._files()]
        close = difflib.get_close_matches(str(reference), known, n=1)
        step = f"did you mean {close[0]}?" if close else "`hermes-stress findings` lists them"
        raise InvalidArgument(
            f"there is no finding {str(reference)!r}: it is neither a finding.json, nor its "
            f"directory, nor an ID in {self.directory}; {step}"
        )

    def _directory_of(self, fingerprint: str) -> Path | None:
        # The kind in front may differ: one defect shows as a crash here and as a hang there.
        found = sorted(self.directory.glob(f"*-{fingerprint[:12]}/{FINDING_FILE}"))
        return found[0].parent if found else None

    def _count(self, directory: Path, finding: Finding) -> Finding:
        path = directory / FINDING_FILE
        first = decode_finding(_read(path), str(path))
        evidence = first if finding.schedule is None else finding
        counted = _placed(replace(evidence, count=first.count + finding.count), directory)
        _write_atomically(path, encode_finding(counted))
        if evidence is finding:
            _write_atomically(directory / REPLAY_FILE, counted.replay_command + "\n")
        return counted

    def _keep(self, finding: Finding, artifacts_directory: Path | str | None) -> Finding:
        directory = self.directory / finding.id
        kept = _placed(finding, directory)
        directory.mkdir(parents=True, exist_ok=True)
        # The finding first: on a disk that fills up, the raw files are what may be missing.
        _write_atomically(directory / FINDING_FILE, encode_finding(kept))
        _write_atomically(directory / REPLAY_FILE, kept.replay_command + "\n")
        if artifacts_directory:
            _copy_files(Path(artifacts_directory), directory)
        return kept

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _placed(finding: Finding, directory: Path) -> Finding:
    command = f"hermes-stress replay {shlex.quote(str(directory))}"
    if finding.schedule is not None and not is_importable(finding.workload):
        command = replay_in_python(finding.workload, repr(str(directory)))
    return replace(finding, directory=str(directory), replay_command=command)


def is_importable(workload: str) -> bool:
    """Whether a program goes by the name of a function at the top of a module, or in a class."""
    return _IMPORTABLE.fullmatch(workload) is not None


def replay_in_python(workload: str, finding: str) -> str:
    """The call that replays a finding of a program that only its maker, say a test, can give."""
    name = workload.partition(":")[2]
    if name.startswith("ThreeFunctions("):
        return f"stress.replay(stress.exploration.{name}, {finding})"
    own = name.rpartition(".")[2]
    return f"stress.replay({own if own.isidentifier() else 'program'}, {finding})"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"{path} cannot be read ({_reason(error)}); give a finding.json, its directory or an ID"
        ) from error


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.new")
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _copy_files(source: Path, destination: Path) -> None:
    if not source.is_dir():
        return
    for path in sorted(source.iterdir()):
        if path.is_symlink() or not path.is_file() or path.name in (FINDING_FILE, REPLAY_FILE):
            continue
        with path.open("rb") as reader, (destination / path.name).open("wb") as writer:
            reader.seek(max(path.stat().st_size - _ARTIFACT_BYTES_MAX, 0))
            shutil.copyfileobj(reader, writer)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is not UTF-8 text"
