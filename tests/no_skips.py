"""A pytest plugin for runs that must leave nothing out: ``-p tests.no_skips``.

Owns: turning a skipped, expectedly failing or deselected test into a failed run. Never: loaded by default.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = []
    config.pluginmanager.register(Watch(config.stash[LEFT_OUT]), "no-skips-watch")


class Watch:
    """Notes every test that was not run to a verdict."""

    def __init__(self, left_out: list[str]) -> None:
        self.left_out = left_out

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.left_out.append(f"{report.nodeid}: {_reason(report)}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.left_out.append(f"{report.nodeid}: {_reason(report)}")

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.left_out.extend(f"{item.nodeid}: deselected" for item in items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.left_out and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.left_out:
            terminalreporter.section("not run, and this run allows none", red=True)
            for line in self.left_out:
                terminalreporter.write_line(line)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The words given to skip(), or the reason of an expected failure."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return str(getattr(report, "wasxfail", "") or "skipped")
