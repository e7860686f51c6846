/** Vitest tells why tests failed when all have run; a run that is stopped before would never tell. This does it at once. */
export default class FailuresAtOnce {
  onTestCaseResult(test) {
    for (const { message, diff, stack } of test.result().errors ?? [])
      process.stderr.write(
        `\nFAILED ${test.fullName}: ${message}\n${diff ?? ''}\n${stack ?? ''}\n`,
      );
  }
}
