// The list: one level of the bucket, or what in it begins with what was typed.

import { listUrl, nameOf, parentOf, playerUrl, hasNoAddress } from './addresses.js';
import { byId, element, humanSize, kindOf, say } from './screen.js';
import { fetchListing } from './server.js';

const newListing = (prefix) => ({ prefix, entries: new Map(), folders: 0, next: null, complete: false, busy: false });
let shown = newListing(null);
let current = null; // the key that plays

export const prefixShown = () => shown.prefix ?? '';

function listItem(key, kind, note) {
  const icon = byId(`icon-${kind}`).content.cloneNode(true);
  const name = element('bdi', { className: 'name', textContent: nameOf(key) });
  const detail = element('span', { className: 'note', textContent: note });
  const isFolder = kind === 'folder';
  const href = isFolder || hasNoAddress(key) ? listUrl(isFolder ? key : parentOf(key)) : playerUrl(key);
  const link = element('a', { href, className: `item ${kind}` }, icon, name, ' ', detail);
  link.dataset[isFolder ? 'prefix' : 'key'] = key;
  return element('li', {}, link);
}

function addPage(page, isFirst) {
  // An object named like its folder is only the marker that S3 consoles leave behind.
  const objects = page.objects.filter(({ key }) => key !== shown.prefix);
  for (const entry of objects) shown.entries.set(entry.key, entry);
  shown.folders += page.folders.length;
  Object.assign(shown, { next: page.next, complete: !page.next });
  const folderItems = page.folders.map((key) => listItem(key, 'folder', ''));
  const objectItems = objects.map((entry) => listItem(entry.key, kindOf(entry), noteOf(entry)));
  if (isFirst) clear();
  byId('folders').append(...folderItems);
  byId('objects').append(...objectItems);
  markCurrent(current);
  return [...folderItems, ...objectItems][0];
}

function noteOf({ size, type }) {
  const subtype = type?.split('/')[1] ?? '';
  return [subtype.replace(/^(x-|vnd\.)/, ''), humanSize(size)].filter(Boolean).join(' · ');
}

function clear() {
  for (const id of ['folders', 'objects']) byId(id).replaceChildren();
}

function summary() {
  const count = (n, noun) => n && `${n} ${noun}${n === 1 ? '' : 's'}`;
  const found = [count(shown.folders, 'folder'), count(shown.entries.size, 'file')].filter(Boolean).join(', ');
  if (!shown.complete) return `${found || 'Nothing'} so far`;
  if (found) return found;
  const typed = shown.prefix.slice(parentOf(shown.prefix).length);
  if (typed) return `Nothing here begins with “${typed}”. Capital and small letters are not the same.`;
  return shown.prefix ? 'This folder is empty.' : 'This bucket is empty: put a film in and reload.';
}

export async function loadPage() {
  const loading = shown;
  if (loading.busy) return;
  loading.busy = true;
  say('status', 'Loading…');
  byId('lists').ariaBusy = 'true';
  try {
    const isFirst = loading.next === null;
    const page = await fetchListing(loading.prefix, loading.next);
    if (loading !== shown) return; // the viewer has moved on
    const first = addPage(page, isFirst);
    if (document.activeElement === byId('more')) first?.firstChild.focus(); // a keyboard goes on where these begin
    say('status', page.trouble ? `${summary()}. The rest could not be listed: ${page.trouble}` : summary());
    say('more', 'Show more');
  } catch (error) {
    if (loading !== shown) return;
    if (loading.next === null) clear();
    say('status', `The list could not be loaded. ${error.message}`);
    say('more', 'Try again');
  }
  byId('lists').ariaBusy = 'false';
  byId('more').hidden = shown.complete;
  loading.busy = false;
}

function showCrumbs(folder) {
  const keys = ['', ...Array.from(folder.matchAll(/\//g), ({ index }) => folder.slice(0, index + 1))];
  byId('crumbs').replaceChildren(...keys.map((key) => {
    const name = element('bdi', { textContent: key ? nameOf(key) : 'All media' });
    const link = element('a', { href: listUrl(key), ariaCurrent: key === folder ? 'true' : null }, name);
    link.dataset.prefix = key;
    return element('li', {}, link);
  }));
}

export function showList(prefix) {
  if (prefix === shown.prefix) return;
  const folder = parentOf(prefix);
  const typed = prefix.slice(folder.length);
  if (shown.prefix === null || folder !== parentOf(shown.prefix)) showCrumbs(folder);
  if (byId('search').value !== typed) byId('search').value = typed;
  shown = newListing(prefix);
  byId('more').hidden = true;
  shown.ready = loadPage();
}

export function markCurrent(key) {
  current = key;
  for (const a of byId('objects').querySelectorAll('a')) a.ariaCurrent = a.dataset.key === key ? 'true' : null;
}

// The loaded list where it is complete; else what is wanted may be pages away and is asked for by name.
export async function entriesStarting(prefix) {
  await shown.ready;
  const loaded = shown.complete && prefix.startsWith(shown.prefix) && parentOf(prefix) === parentOf(shown.prefix);
  const ask = () => fetchListing(prefix).then((page) => page.objects, () => []);
  const entries = loaded ? [...shown.entries.values()] : await ask();
  return entries.filter(({ key }) => key.startsWith(prefix));
}

export const listed = (key) => shown.entries.get(key);
