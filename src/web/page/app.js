// The page under /-/: lists the bucket through /-/list and plays what is chosen.
//
// The address holds the state: /-/?prefix=films/ is a folder, /-/?prefix=films/o a search in it, and
// /-/player/films/one.mp4 an object. What the list showed beside an object is in the history's state.

import { listUrl, parentOf, playerUrl, hasNoAddress, shownAt } from './addresses.js';
import { loadPage, prefixShown, showList } from './list.js';
import * as player from './player.js';
import { byId, isPlain, say } from './screen.js';

const TYPING = 250; // milliseconds after a key until the list is asked for
let typing = 0;

function showAddress() {
  const { key, prefix } = shownAt(location);
  if (key !== undefined) {
    const beside = history.state?.prefix;
    showList(typeof beside === 'string' ? beside : parentOf(key));
    player.showObject(key, false);
    return;
  }
  showList(prefix ?? '');
  // What is running goes on while its viewer looks around in folders; anything else makes room.
  if (!player.isPlaying()) player.clearPlayer(null);
  if (prefix === undefined) player.showDamaged();
}

function go(url, prefix) {
  if (url === location.href) history.replaceState({ prefix }, '');
  else history.pushState({ prefix }, '', url);
}

function openFolder(prefix) {
  go(listUrl(prefix), prefix);
  showAddress();
  byId('crumbs').querySelector('[aria-current]').focus(); // what had the focus may be gone
}

function openObject(key) {
  if (!hasNoAddress(key)) go(playerUrl(key), prefixShown());
  player.showObject(key, true);
}

function search() {
  clearTimeout(typing);
  const prefix = parentOf(prefixShown()) + byId('search').value;
  const isObject = shownAt(location).key !== undefined;
  history.replaceState({ prefix }, '', isObject ? location.href : listUrl(prefix));
  showList(prefix);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // missing on plain http away from localhost
    say('said', 'Copied.');
  } catch {
    Object.assign(byId('copy-box'), { hidden: false, value: text }).select();
    say('said', 'Selected, ready for your own copy command.');
  }
}

// Their addresses are relative in the page, and would mean something else under another address.
for (const link of document.querySelectorAll('link, .brand')) link.href = String(link.href);

document.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-key], a[data-prefix]');
  if (!link || !isPlain(event)) return;
  event.preventDefault();
  if (link.dataset.key === undefined) openFolder(link.dataset.prefix);
  else openObject(link.dataset.key);
});
byId('search').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(search, TYPING);
});
byId('search-form').addEventListener('submit', (event) => {
  event.preventDefault();
  search();
});
byId('more').addEventListener('click', loadPage);
byId('retry').addEventListener('click', player.retry);
byId('speed').addEventListener('change', player.setSpeed);
byId('captions').addEventListener('change', player.setCaptions);
byId('float').addEventListener('click', player.float);
byId('copy-link').addEventListener('click', () => copy(playerUrl(player.keyShown())));
byId('copy-curl').addEventListener('click', () => copy(byId('curl-text').textContent));
byId('stage').addEventListener('click', player.clicked);
addEventListener('keydown', player.pressed);
addEventListener('popstate', showAddress);
showAddress();
