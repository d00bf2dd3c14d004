// The player: the browser's own controls, and a bar for what they lack or hide.

import { encode, extensionOf, hasNoAddress, nameOf, objectUrl, quoted } from './addresses.js';
import { entriesStarting, listed, markCurrent } from './list.js';
import { POSTERS, byId, element, facts, kindOf, say } from './screen.js';
import { fetchState, whyNot } from './server.js';
import { watchVersion } from './versions.js';

const STEP = 5; // seconds that an arrow key moves by
const MEDIA_ERRORS = {
  2: 'The connection broke while the file was loading.',
  3: 'The browser could not decode the file any further.',
  4: 'The file could not be opened.',
};
const nothing = (key) => ({ key, url: key === null ? null : objectUrl(key), media: null, watch: null, stoppedAt: 0 });
let player = nothing(null); // what the stage shows; another object for each time something is put there

export const keyShown = () => player.key;
export const isPlaying = () => Boolean(player.media) && !player.media.paused && !player.media.error;

export async function showObject(key, clicked) {
  if (player.key === key) {
    if (player.media?.error || player.replaced) retry();
    else if (clicked) play();
  } else {
    clearPlayer(key);
    const entry = listed(key);
    // At once where that is possible: browsers allow play() only for a moment after a click.
    if (entry && (kindOf(entry) !== 'file' || hasNoAddress(key))) mount(entry);
    else await lookUp(player);
    if (clicked) play();
  }
  if (clicked) byId('player').scrollIntoView({ block: 'nearest' });
}

// An object that is not in the list as far as that is loaded, or whose name does not tell what it is.
async function lookUp(wanted) {
  const state = hasNoAddress(wanted.key) ? { known: false } : await fetchState(wanted.url);
  if (wanted !== player) return;
  if (state.known || hasNoAddress(wanted.key)) mount({ ...state.entry, key: wanted.key }, state.version);
  else explain('The file could not be opened.');
}

export function clearPlayer(key) {
  player.watch?.stop();
  if (player.media) {
    player.media.removeAttribute('src');
    player.media.load(); // without this the browser keeps the connection, and the server its read from S3
  }
  player = nothing(key);
  byId('stage').replaceChildren();
  byId('stage').className = 'stage';
  byId('title').replaceChildren(element('bdi', { textContent: key === null ? 'Choose what to play' : nameOf(key) }));
  for (const id of ['facts', 'said']) say(id, '');
  for (const id of ['problem', 'actions', 'speed-box', 'captions-box', 'float', 'keys', 'curl', 'copy-box']) {
    byId(id).hidden = true;
  }
  document.title = key === null ? 's3reel' : `${nameOf(key)} · s3reel`;
  markCurrent(key);
}

function mount(entry, version) {
  const { key, url } = player;
  const kind = kindOf(entry);
  say('facts', facts(entry));
  if (hasNoAddress(key)) return showProblem('Browsers cannot ask for a key of this form, so it cannot be opened here.');
  byId('open').href = url;
  say('curl-text', `curl -r 0-1 -i ${quoted(url)}`);
  byId('actions').hidden = byId('curl').hidden = false;
  byId('stage').className = `stage ${kind}`;
  if (kind === 'file') return;
  if (kind !== 'image') return mountMedia(kind, version);
  const image = element('img', { alt: nameOf(key), src: url });
  image.addEventListener('error', () => explain('The image could not be shown.'));
  byId('stage').append(image);
}

function mountMedia(kind, version) {
  const { key, url } = player;
  const media = element(kind, { controls: true, preload: 'metadata', playsInline: true, src: url });
  media.setAttribute('aria-labelledby', 'title');
  player.media = media;
  setSpeed();
  const mounted = player;
  const during = (act) => (...given) => { if (mounted === player) act(...given); };
  media.addEventListener('error', during(failed));
  media.addEventListener('play', during(() => { if (mounted.replaced) retry(); }));
  media.addEventListener('enterpictureinpicture', () => { byId('float').ariaPressed = 'true'; });
  media.addEventListener('leavepictureinpicture', () => { byId('float').ariaPressed = 'false'; });
  media.textTracks.addEventListener('change', during(showCaptionsChosen));
  player.watch = watchVersion(media, url, version ?? null, {
    found: (state) => say('facts', facts(state.entry)),
    replaced,
    gone: () => showProblem('This file has been removed from the server. It plays on as far as it has been loaded.', null),
  });
  byId('stage').append(media);
  byId('speed-box').hidden = byId('keys').hidden = false;
  byId('float').hidden = kind !== 'video' || !document.pictureInPictureEnabled;
  byId('float').ariaPressed = 'false';
  if ('mediaSession' in navigator) navigator.mediaSession.metadata = new MediaMetadata({ title: nameOf(key) });
  addCompanions(mounted, kind);
}

// x.vtt and x.en.vtt beside x.mp4 are its captions, x.jpg its poster.
async function addCompanions(mounted, kind) {
  const { key, media } = mounted;
  const stem = key.replace(/\.[^./]+$/, '') + '.';
  const near = (await entriesStarting(stem)).map((entry) => entry.key);
  if (mounted !== player) return;
  const poster = near.find((name) => POSTERS.includes(name.slice(stem.length).toLowerCase()));
  if (poster && kind === 'video') media.poster = objectUrl(poster);
  else if (poster) media.before(element('img', { alt: '', src: objectUrl(poster) }));
  for (const name of near.filter((other) => extensionOf(other) === 'vtt')) addCaptions(media, name, stem);
  byId('captions').replaceChildren(element('option', { value: '', textContent: 'Off' }), ...captionsOf(media).map(
    (track, index) => element('option', { value: index, textContent: track.label || 'Captions' })));
  byId('captions-box').hidden = captionsOf(media).length === 0;
  showCaptionsChosen();
}

function addCaptions(media, name, stem) {
  const language = name.slice(stem.length, -'vtt'.length).replace(/\.$/, '');
  const label = language ? languageName(language) : 'Captions';
  const track = element('track', { kind: 'captions', label, srclang: language, src: objectUrl(name) });
  // On from the start only where the viewer can be expected to read them; one at a time.
  track.default = !media.querySelector('[default]') && navigator.language.startsWith(language);
  media.append(track);
}

function languageName(tag) {
  try { return new Intl.DisplayNames([], { type: 'language' }).of(tag); } catch { return tag; } // no tag of a language
}

// A file may bring its own, and tracks that are no captions.
const captionsOf = (media) =>
  Array.from(media.textTracks).filter(({ kind }) => kind === 'captions' || kind === 'subtitles');

function showCaptionsChosen() {
  const index = captionsOf(player.media).findIndex((track) => track.mode === 'showing');
  byId('captions').value = index < 0 ? '' : index;
}

// ---- what goes wrong
async function failed() {
  const { media, watch, stoppedAt } = player;
  const failing = player;
  failing.stoppedAt = media.currentTime || stoppedAt;
  // A part of another version is what browsers fail at, too.
  await watch.ask();
  if (failing !== player || failing.replaced) return;
  explain(MEDIA_ERRORS[media.error?.code] ?? 'Playing failed.');
}

function replaced(state) {
  player.replaced = state;
  player.stoppedAt = player.media.currentTime || player.stoppedAt;
  player.media.pause(); // or it would go on with parts of both
  showProblem('This file was replaced while it was open. What has been shown is of its old version.', 'Play the new version');
}

function showProblem(text, button = 'Try again') {
  say('problem-text', text);
  byId('retry').hidden = button === null;
  say('retry', button ?? '');
  byId('problem').hidden = false;
}

async function explain(text) {
  const explained = player;
  const cause = await whyNot(explained.url);
  if (explained === player) showProblem(`${text} ${cause}`);
}

export function retry() {
  const { key, media, replaced: state, stoppedAt } = player;
  byId('problem').hidden = true;
  if (!media) {
    clearPlayer(null);
    return showObject(key, true);
  }
  if (state) {
    // The server ignores the query. The browser does not, and so cannot go on with what it keeps of the old version.
    media.src = objectUrl(key, `version=${encode(state.version)}`);
    player.replaced = null;
    say('facts', facts(state.entry));
  } else {
    media.load();
  }
  media.addEventListener('loadedmetadata', () => {
    if (stoppedAt < media.duration) media.currentTime = stoppedAt; // a new version may be shorter
  }, { once: true });
  player.stoppedAt = 0;
  play();
}

export const showDamaged = () =>
  showProblem('This link is damaged, and what it pointed to cannot be told. Choose from the list.', null);

// ---- what viewers do
const play = () => player.media?.play().catch(() => {}); // a refusal leaves the controls to press: nothing to report

export function setSpeed() {
  const { media } = player;
  if (media) media.playbackRate = media.defaultPlaybackRate = Number(byId('speed').value);
}

export function setCaptions() {
  const chosen = byId('captions').value;
  captionsOf(player.media).forEach((track, index) => {
    track.mode = String(index) === chosen ? 'showing' : 'disabled';
  });
}

export async function float() {
  try {
    if (document.pictureInPictureElement) await document.exitPictureInPicture();
    else await player.media.requestPictureInPicture();
  } catch {
    say('said', 'Picture in picture is not possible at the moment.');
  }
}

// Takes the keys from the media's own controls to the page: with the focus on the whole picture some browsers know no
// arrows. Who comes to those controls by keyboard stays there, and a keyboard's clicks have no detail.
export function clicked({ detail, target, currentTarget }) {
  if (detail > 0 && target !== currentTarget) currentTarget.focus({ preventScroll: true });
}

// Space and arrows wherever they mean nothing else; the media's own controls have keys of their own.
export function pressed(event) {
  const { media } = player;
  const hasKeys = event.target.closest?.('button, input, select, textarea, video, audio');
  if (!media || hasKeys || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const step = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
  if (event.key === ' ' && !event.repeat) media.paused ? play() : media.pause();
  else if (step && media.duration) media.currentTime = Math.min(Math.max(media.currentTime + step, 0), media.duration);
  if (event.key === ' ' || step) event.preventDefault();
}
