// Watches whether what plays is still what is stored.
//
// A media element asks for its file again and again, a part at a time, and not every browser says which version it
// began with. So the page does: it asks for the object's tag when it opens it, and again whenever a browser may fetch
// more of it. An object that is replaced between the element's first request and ours is taken for the new one.

import { fetchState } from './server.js';

const INTERVAL = 15_000; // while it plays
const PAUSE = 1_000; // between two questions, however often a viewer seeks

export function watchVersion(media, url, version, tell) {
  let known = version;
  let [askedAt, timer] = [0, 0];
  let over = false;
  let last = Promise.resolve(); // one question at a time, so that their answers stay in order

  async function ask() {
    askedAt = Date.now();
    const state = await fetchState(url);
    if (over) return;
    if (known && state.gone) tell.gone();
    if (!state.known) return;
    const before = known;
    known = state.version;
    if (before === null) tell.found(state);
    else if (before !== known) tell.replaced(state);
  }

  function askNow() {
    clearTimeout(timer);
    timer = 0;
    last = last.then(ask);
    return last;
  }

  function askSoon() {
    timer ||= setTimeout(askNow, Math.max(0, askedAt + PAUSE - Date.now()));
  }

  for (const name of ['seeking', 'play', 'stalled']) media.addEventListener(name, askSoon);
  media.addEventListener('timeupdate', () => {
    if (!media.paused && Date.now() > askedAt + INTERVAL) askSoon();
  });
  if (version === null) askNow();
  return {
    ask: askNow,
    stop() {
      over = true;
      clearTimeout(timer);
    },
  };
}
