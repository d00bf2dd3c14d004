// Small things that the list and the player both need.

import { extensionOf } from './addresses.js';

export const POSTERS = ['jpg', 'jpeg', 'png', 'webp'];
const EXTENSIONS = {
  video: ['mp4', 'm4v', 'mov', 'webm', 'mkv', 'ogv'],
  audio: ['mp3', 'm4a', 'aac', 'flac', 'ogg', 'oga', 'opus', 'wav'],
  image: [...POSTERS, 'gif', 'avif'],
};

export const byId = (id) => document.getElementById(id);
export const say = (id, text) => { byId(id).textContent = text; };

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// A click that is not about another tab, a window or a download.
export const isPlain = (event) =>
  event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

export function kindOf({ key, type }) {
  const major = type?.split('/')[0];
  if (Object.hasOwn(EXTENSIONS, major)) return major;
  // application/ogg, or an HLS playlist where the browser plays them itself
  if (type && document.createElement('video').canPlayType(type)) return 'video';
  return Object.keys(EXTENSIONS).find((kind) => EXTENSIONS[kind].includes(extensionOf(key))) ?? 'file';
}

export function humanSize(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  // The limit is not 1024, or 1048575 would read "1024 KiB".
  while (bytes >= 1023.5 && units.length > 1) { bytes /= 1024; units.shift(); }
  return `${units[0] === 'B' || bytes >= 99.95 ? Math.round(bytes) : bytes.toFixed(1)} ${units[0]}`;
}

export function facts({ size, type, last_modified: modified }) {
  const date = modified && new Date(modified).toLocaleDateString([], { dateStyle: 'medium' });
  return [size === undefined ? '' : humanSize(size), type, date].filter(Boolean).join(' · ');
}
