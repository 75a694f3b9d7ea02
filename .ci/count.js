/** Prints "passed failed" of a jest report. A file that could not even be loaded is one failure. */
const { readFileSync } = require('node:fs');

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const unloaded = report.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
).length;
console.log(report.numPassedTests, report.numFailedTests + unloaded);
