// Keys, and the addresses that they have. Keys may hold anything: they only become text nodes or percent-encoded URLs.

export const PAGE = new URL('.', import.meta.url); // <root>/-/, wherever a proxy puts it
const ROOT = new URL('..', PAGE).href; // what objects are under
const PLAYER = `${PAGE.pathname}player/`;
// What this script's own address was signed with, if it was: every address here needs it too. Cookies need no help.
const SIGNED = new URL(import.meta.url).search.slice(1);

// An address with a query, what it was signed with included.
export const withQuery = (url, ...parts) => {
  const query = [...parts, SIGNED].filter(Boolean).join('&');
  return url + (query && `?${query}`);
};

// Stricter than encodeURIComponent, so that an address can be pasted into a shell as it is.
export const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());
const encodeKey = (key) => key.split('/').map(encode).join('/');

// Absolute: a key may begin with "/", and "//x/y" would name another host.
export const objectUrl = (key, ...parts) => withQuery(ROOT + encodeKey(key), ...parts);
export const playerUrl = (key) => withQuery(`${PAGE.href}player/${encodeKey(key)}`);
export const listUrl = (prefix) => withQuery(PAGE.href, prefix && `prefix=${encodeKey(prefix)}`);
// In a shell, where the "&" of a query would mean something.
export const quoted = (url) => (url.includes('?') ? `'${url}'` : url);

// Browsers resolve dot segments before they send a URL, even encoded ones, and /-/ is the service's own.
export const hasNoAddress = (key) =>
  key.startsWith('-/') || key.split('/').some((part) => part === '.' || part === '..');

export const parentOf = (key) => key.slice(0, key.lastIndexOf('/') + 1);
export const nameOf = (key) => /([^/]*)\/?$/.exec(key)[1] || '(no name)';
export const extensionOf = (key) => (/\.([^./]+)$/.exec(key)?.[1] ?? '').toLowerCase();

// What an address of the page shows: an object, or the keys that begin with a prefix. Neither: it is damaged.
export function shownAt({ pathname, search }) {
  try {
    const key = pathname.startsWith(PLAYER) ? decodeURIComponent(pathname.slice(PLAYER.length)) : '';
    if (key && !key.endsWith('/')) return { key };
    // By hand: URLSearchParams reads "+" as a space, and "+" is a character of keys here.
    const prefix = /[?&]prefix=([^&]*)/.exec(search)?.[1] ?? '';
    return { prefix: key || decodeURIComponent(prefix) };
  } catch {
    return {};
  }
}
