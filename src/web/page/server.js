// What the page asks of the server, and what it says when that fails.

import { PAGE, encode, withQuery } from './addresses.js';

const UNREACHABLE = 'The server could not be reached.';

// The server's own sentence where it sent one.
async function describeFailure(response) {
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json');
  const problem = (isProblem && await response.json().catch(() => null)) || {};
  const text = problem.detail || problem.title || `The server answered with status ${response.status}.`;
  const id = problem.request_id || response.headers.get('x-request-id');
  return id ? `${text} (Request id: ${id})` : text;
}

export async function fetchListing(prefix, after) {
  // By hand: URLSearchParams writes a space as "+", and "+" is a character of keys here.
  const url = withQuery(`${PAGE.href}list`, `prefix=${encode(prefix)}`, after && `after=${encode(after)}`);
  const response = await fetch(url).catch(() => { throw new Error(UNREACHABLE); });
  if (!response.ok) throw new Error(await describeFailure(response));
  return response.json();
}

// What the server holds at an address now, past all that the browser keeps. `known` is false where it cannot be told.
export async function fetchState(url) {
  const response = await fetch(url, { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  const field = (name) => response.headers.get(name);
  if (!response?.ok) return { known: false, gone: response?.status === 404 };
  const [size, modified] = [Number(field('content-length')), field('last-modified')];
  return {
    known: true,
    version: field('etag') ?? `${modified} ${size}`,
    entry: { size, type: field('content-type'), last_modified: modified },
  };
}

// Asks for one byte to learn why a file cannot be shown: elements never say, and HEAD has no words.
export async function whyNot(url) {
  const response = await fetch(url, { headers: { range: 'bytes=0-0' }, cache: 'no-store' }).catch(() => null);
  if (!response?.ok) return response ? describeFailure(response) : UNREACHABLE;
  response.body?.cancel().catch(() => {}); // a 200 would be the whole file
  if (response.headers.get('content-length') === '0') return 'It is empty.';
  return 'The server does deliver it: the file is damaged, or this browser does not support its format.';
}
