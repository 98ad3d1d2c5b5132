# SPDX-License-Identifier: GPL-2.0
"""results.py FILE ARGUMENT...: python3 -m test with these arguments, and a line in
FILE for each test method, with what came of it."""

import sys

from test.libregrtest.main import main
from test.libregrtest.testresult import RegressionTestResult

KINDS = ("errors", "failures", "skipped", "expectedFailures", "unexpectedSuccesses")


def counts(result):
    return [len(getattr(result, kind)) for kind in KINDS]


def start(self, test, start=RegressionTestResult.startTest):
    self.counts_before = counts(self)
    start(self, test)


def stop(self, test, stop=RegressionTestResult.stopTest):
    # Of subtests too: each that fails is one more.
    now = [kind for kind, n, m in zip(KINDS, self.counts_before, counts(self)) if n != m]
    print(test.id(), "+".join(now) or "passed", file=file)
    stop(self, test)


RegressionTestResult.startTest = start
RegressionTestResult.stopTest = stop
with open(sys.argv.pop(1), "w", buffering=1) as file:
    main()
