// Makes vectors.json: links and cookies minted by @aws-sdk/cloudfront-signer with the throwaway keys beside this file.
//
//   npm install --no-save --prefix target/signer @aws-sdk/cloudfront-signer@3.1166.0
//   NODE_PATH=$PWD/target/signer/node_modules node tests/it/signed/vectors.mjs > tests/it/signed/vectors.json
//
// ECDSA signatures differ from run to run, RSA signatures do not.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_PATH}/`);
const { getSignedUrl, getSignedCookies } = require('@aws-sdk/cloudfront-signer');
const { version } = JSON.parse(readFileSync(`${process.env.NODE_PATH}/@aws-sdk/cloudfront-signer/package.json`));

const BASE = 'https://media.example';
const END = '2100-01-01T00:00:00Z';
const START = '2020-01-01T00:00:00Z';
const policyOf = (resource) => JSON.stringify({
  Statement: [{ Resource: resource, Condition: { DateLessThan: { 'AWS:EpochTime': Date.parse(END) / 1000 } } }],
});

// What is asked for, and what a signer is told; `url` is also what cookies are about.
const CASES = [
  { name: 'canned', path: '/films/one.mp4', told: { dateLessThan: END } },
  { name: 'canned with a query', path: '/films/one.mp4?size=large&x', told: { dateLessThan: END }, urlOnly: true },
  { name: 'canned, odd characters', path: "/films/a%20b+c'(1)!%C3%A9.mp4", told: { dateLessThan: END } },
  { name: 'from a date on', path: '/films/one.mp4', told: { dateLessThan: END, dateGreaterThan: START } },
  { name: 'for a network', path: '/films/one.mp4', told: { dateLessThan: END, ipAddress: '127.0.0.0/8' } },
  { name: 'wildcard', path: '/films/one.mp4', policy: policyOf(`${BASE}/films/*`) },
  { name: 'wildcard, any scheme', path: '/films/one.mp4', policy: policyOf('http*://media.example/films/*') },
];

const vectors = [];
for (const [keyPairId, file] of [['KRSA', 'rsa.pem'], ['KECDSA', 'ecdsa.pem']]) {
  const privateKey = readFileSync(new URL(file, import.meta.url), 'utf8');
  for (const algorithm of ['SHA1', 'SHA256']) {
    for (const { name, path, told, policy, urlOnly } of CASES) {
      const common = { keyPairId, privateKey, algorithm, url: BASE + path, ...(policy ? { policy } : told) };
      const title = `${name}, ${keyPairId}, ${algorithm}`;
      vectors.push({ name: `${title}, URL`, url: getSignedUrl(common) });
      if (!urlOnly) vectors.push({ name: `${title}, cookies`, url: BASE + path, cookies: getSignedCookies(common) });
    }
  }
}
console.log(JSON.stringify({ signer: `@aws-sdk/cloudfront-signer ${version}`, vectors }, null, 1));
