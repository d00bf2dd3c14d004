'use strict';
// The page at /-/: lists the bucket through /-/list and plays what is chosen.
//
// The address holds the state: #/films/ is a folder, #/films/a%20b.mp4 an object. The trailing slash alone tells them
// apart, as it does in the listing. Keys may hold anything: they only become text nodes or percent-encoded URLs.

const ROOT = new URL('../', location.href).href; // the page lives in <root>/-/, the objects in <root>/
const POSTERS = ['jpg', 'jpeg', 'png', 'webp'];
const EXTENSIONS = {
  video: ['mp4', 'm4v', 'mov', 'webm', 'mkv', 'ogv'],
  audio: ['mp3', 'm4a', 'aac', 'flac', 'ogg', 'oga', 'opus', 'wav'],
  image: [...POSTERS, 'gif', 'avif'],
};
const MEDIA_ERRORS = {
  2: 'The connection broke while the file was loading.',
  3: 'The browser could not decode the file any further.',
  4: 'The file could not be opened.',
};
const UNREACHABLE = 'The server could not be reached.';
const newFolder = (prefix) => ({ prefix, entries: new Map(), next: null, complete: false, busy: false });
let folder = newFolder(null); // what the list shows
let player = { key: null, media: null, stoppedAt: 0 }; // what the stage shows

const byId = (id) => document.getElementById(id);
const say = (id, text) => { byId(id).textContent = text; };

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// ---- keys and addresses
// Stricter than encodeURIComponent, so that an address can be pasted into a shell as it is.
const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());
const encodeKey = (key) => key.split('/').map(encode).join('/');
const hashOf = (key) => '#/' + encodeKey(key);
// Absolute: a key may begin with "/", and "//x/y" would name another host.
const objectUrl = (key) => ROOT + encodeKey(key);
// Browsers resolve dot segments before they send a URL, even encoded ones, and /-/ is the service's own.
const hasNoAddress = (key) => key.startsWith('-/') || key.split('/').some((part) => part === '.' || part === '..');

const parentOf = (key) => key.slice(0, key.lastIndexOf('/') + 1);
const nameOf = (key) => /([^/]*)\/?$/.exec(key)[1] || '(no name)';
const extensionOf = (key) => (/\.([^./]+)$/.exec(key)?.[1] ?? '').toLowerCase();

function keyFromHash() {
  try { return decodeURIComponent(location.hash.replace(/^#\/?/, '')); } catch { return null; } // null: a damaged link
}

function kindOf({ key, type }) {
  const major = type?.split('/')[0];
  if (Object.hasOwn(EXTENSIONS, major)) return major;
  // application/ogg, or an HLS playlist where the browser plays them itself
  if (type && document.createElement('video').canPlayType(type)) return 'video';
  return Object.keys(EXTENSIONS).find((kind) => EXTENSIONS[kind].includes(extensionOf(key))) ?? 'file';
}

function humanSize(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  // The limit is not 1024, or 1048575 would read "1024 KiB".
  while (bytes >= 1023.5 && units.length > 1) { bytes /= 1024; units.shift(); }
  return `${units[0] === 'B' || bytes >= 99.95 ? Math.round(bytes) : bytes.toFixed(1)} ${units[0]}`;
}

// ---- the server
// The server's own sentence where it sent one.
async function describeFailure(response) {
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json');
  const problem = (isProblem && await response.json().catch(() => null)) || {};
  const text = problem.detail || problem.title || `The server answered with status ${response.status}.`;
  return problem.request_id ? `${text} (Request id: ${problem.request_id})` : text;
}

async function fetchListing(prefix, after) {
  // By hand: URLSearchParams writes a space as "+", and "+" is a character of keys here.
  const query = `prefix=${encode(prefix)}${after ? `&after=${encode(after)}` : ''}`;
  const response = await fetch(`list?${query}`).catch(() => { throw new Error(UNREACHABLE); });
  if (!response.ok) throw new Error(await describeFailure(response));
  return response.json();
}

// Asks for one byte to learn why a media element failed: the element itself never says.
async function describeObject(url) {
  const response = await fetch(url, { headers: { range: 'bytes=0-0' }, cache: 'no-store' }).catch(() => null);
  if (!response?.ok) return response ? describeFailure(response) : UNREACHABLE;
  response.body?.cancel().catch(() => {}); // a 200 would be the whole file
  if (response.headers.get('content-length') === '0') return 'It is empty.';
  return 'The server does deliver it: the file is damaged, or this browser does not support its format.';
}

// The loaded list where it is complete; else what is wanted may be pages away and is asked for by name.
async function entriesStarting(prefix) {
  const loaded = folder.complete && folder.prefix === parentOf(prefix);
  const ask = () => fetchListing(prefix).then((page) => page.objects, () => []);
  const entries = loaded ? [...folder.entries.values()] : await ask();
  return entries.filter(({ key }) => key.startsWith(prefix));
}

// ---- the list
function listItem(key, kind, note) {
  const icon = byId(`icon-${kind}`).content.cloneNode(true);
  const name = element('bdi', { className: 'name', textContent: nameOf(key) });
  const size = element('span', { className: 'note', textContent: note });
  const link = element('a', { href: hashOf(key), className: `item ${kind}` }, icon, name, ' ', size);
  link.dataset.key = key;
  return element('li', {}, link);
}

function addPage(page) {
  // An object named like its folder is only the marker that S3 consoles leave behind.
  const objects = page.objects.filter(({ key }) => key !== folder.prefix);
  for (const entry of objects) folder.entries.set(entry.key, entry);
  Object.assign(folder, { next: page.next, complete: !page.next });
  const folderItems = page.folders.map((key) => listItem(key, 'folder', ''));
  const objectItems = objects.map((entry) => listItem(entry.key, kindOf(entry), humanSize(entry.size)));
  byId('folders').append(...folderItems);
  byId('objects').append(...objectItems);
  markCurrent();
  return [...folderItems, ...objectItems][0];
}

function summary() {
  const count = (n, noun) => n && `${n} ${noun}${n === 1 ? '' : 's'}`;
  const counts = [count(byId('folders').childElementCount, 'folder'), count(folder.entries.size, 'file')];
  const found = counts.filter(Boolean).join(', ');
  if (!folder.complete) return `${found || 'Nothing'} so far`;
  return found || (folder.prefix ? 'This folder is empty.' : 'This bucket is empty: put a film in and reload.');
}

async function loadPage() {
  const loading = folder;
  if (loading.busy) return;
  loading.busy = true;
  say('status', 'Loading…');
  try {
    const page = await fetchListing(loading.prefix, loading.next);
    if (loading !== folder) return; // the viewer has moved on
    const first = addPage(page);
    if (document.activeElement === byId('more')) first?.firstChild.focus(); // a keyboard goes on where these begin
    say('status', summary());
    say('more', 'More');
  } catch (error) {
    if (loading !== folder) return;
    say('status', `The list could not be loaded. ${error.message}`);
    say('more', 'Try again');
  }
  byId('more').hidden = folder.complete;
  loading.busy = false;
}

function openFolder(prefix) {
  if (prefix === folder.prefix) return;
  folder = newFolder(prefix);
  const keys = ['', ...Array.from(prefix.matchAll(/\//g), ({ index }) => prefix.slice(0, index + 1))];
  byId('crumbs').replaceChildren(...keys.map((key) => {
    const name = element('bdi', { textContent: key ? nameOf(key) : 'All media' });
    return element('li', {}, element('a', { href: hashOf(key), ariaCurrent: key === prefix ? 'true' : null }, name));
  }));
  for (const id of ['folders', 'objects']) byId(id).replaceChildren();
  byId('more').hidden = true;
  folder.ready = loadPage();
}

function markCurrent() {
  for (const a of byId('objects').querySelectorAll('a')) a.ariaCurrent = a.dataset.key === player.key ? 'true' : null;
}

// ---- the player
function showObject(entry, clicked) {
  if (player.key !== entry.key) mount(entry);
  else if (player.media?.error) retry();
  if (!clicked) return;
  player.media?.play().catch(() => {}); // a refusal leaves the controls to press: nothing to report
  byId('player').scrollIntoView({ block: 'nearest' });
}

function resetPlayer(key) {
  if (player.media) {
    player.media.removeAttribute('src');
    player.media.load(); // without this the browser keeps the connection, and the server its read from S3
  }
  player = { key, media: null, stoppedAt: 0 };
  byId('stage').replaceChildren();
  byId('stage').className = 'stage';
  byId('title').replaceChildren(element('bdi', { textContent: key === null ? 'Choose what to play' : nameOf(key) }));
  for (const id of ['facts', 'copied']) say(id, '');
  for (const id of ['problem', 'actions', 'curl', 'copy-box']) byId(id).hidden = true;
  document.title = key === null ? 's3reel' : `${nameOf(key)} · s3reel`;
  markCurrent();
}

function mount(entry) {
  const { key, size, type } = entry;
  const [kind, url] = [kindOf(entry), objectUrl(key)];
  resetPlayer(key);
  const date = entry.last_modified && new Date(entry.last_modified).toLocaleDateString([], { dateStyle: 'medium' });
  say('facts', [size === undefined ? 'not in the list' : humanSize(size), type, date].filter(Boolean).join(' · '));
  if (hasNoAddress(key)) return showProblem('Browsers cannot ask for a key of this form, so it cannot be opened here.');
  byId('open').href = url;
  say('curl-text', `curl -r 0-1 -i ${url}`);
  byId('actions').hidden = byId('curl').hidden = false;
  byId('stage').className = `stage ${kind}`;
  if (kind === 'file') return;
  if (kind !== 'image') return mountMedia(kind, url, key);
  const image = element('img', { alt: nameOf(key), src: url });
  image.addEventListener('error', () => explain('The image could not be shown.', url));
  byId('stage').append(image);
}

function mountMedia(kind, url, key) {
  const media = element(kind, { controls: true, preload: 'metadata', playsInline: true, src: url });
  media.setAttribute('aria-labelledby', 'title');
  media.addEventListener('error', () => {
    if (media !== player.media) return;
    player.stoppedAt = media.currentTime;
    explain(MEDIA_ERRORS[media.error?.code] ?? 'Playing failed.', url);
  });
  player.media = media;
  byId('stage').append(media);
  addCompanions(media, key);
}

// x.vtt and x.en.vtt beside x.mp4 are its captions, x.jpg its poster.
async function addCompanions(media, key) {
  const stem = key.replace(/\.[^./]+$/, '') + '.';
  const near = (await entriesStarting(stem)).map((entry) => entry.key);
  if (media !== player.media) return;
  const poster = near.find((name) => POSTERS.includes(name.slice(stem.length).toLowerCase()));
  if (poster) media.poster = objectUrl(poster);
  for (const name of near.filter((other) => extensionOf(other) === 'vtt')) {
    const srclang = name.slice(stem.length, -'vtt'.length).replace(/\.$/, '');
    const track = element('track', { kind: 'captions', label: srclang || 'Captions', srclang, src: objectUrl(name) });
    // On from the start only where the viewer can be expected to read them; one at a time.
    track.default = !media.querySelector('[default]') && navigator.language.startsWith(srclang);
    media.append(track);
  }
}

function showProblem(text) {
  say('problem-text', text);
  byId('retry').hidden = !player.media;
  byId('problem').hidden = false;
}

async function explain(text, url) {
  const { key } = player;
  showProblem(text);
  const cause = await describeObject(url);
  if (key === player.key) showProblem(`${text} ${cause}`);
}

function retry() {
  byId('problem').hidden = true;
  player.media.load();
  player.media.currentTime = player.stoppedAt; // before the metadata is there, this sets where playing begins
  player.media.play().catch(() => {});
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // missing on plain http away from localhost
    say('copied', 'Copied.');
  } catch {
    Object.assign(byId('copy-box'), { hidden: false, value: text }).select();
    say('copied', 'Selected, ready for your own copy command.');
  }
}

// ---- the address
async function openAddress() {
  const key = keyFromHash();
  openFolder(parentOf(key ?? '')); // of a folder, that is the folder itself
  if (key && key === player.key) return; // a click has shown it already
  if (key && !key.endsWith('/')) return openObject(key);
  // What is running goes on while its viewer looks around in folders; anything else makes room.
  if (!player.media || player.media.paused || player.media.error) resetPlayer(null);
  if (key === null) showProblem('This link is damaged, and what it pointed to cannot be told. Choose from the list.');
}

async function openObject(key) {
  await folder.ready;
  const entry = folder.entries.get(key) ?? (await entriesStarting(key)).find((other) => other.key === key);
  if (key === keyFromHash()) showObject(entry ?? { key }, false);
}

// Here and not on hashchange: browsers allow play() only while the click is being handled.
byId('objects').addEventListener('click', (event) => {
  const entry = folder.entries.get(event.target.closest('a')?.dataset.key);
  if (entry && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) showObject(entry, true);
});
byId('more').addEventListener('click', loadPage);
byId('retry').addEventListener('click', retry);
byId('copy-link').addEventListener('click', () => copy(location.origin + location.pathname + hashOf(player.key)));
byId('copy-curl').addEventListener('click', () => copy(byId('curl-text').textContent));
addEventListener('hashchange', openAddress);
openAddress();
