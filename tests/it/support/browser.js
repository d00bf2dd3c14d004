// What the tests' scripts can call. It stands before each of them, inside one function.

/** Fetches past the browser's cache and tells all a page may read, or that the browser refused. */
async function ask(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { cache: 'no-store', ...options });
  } catch (error) {
    return { refused: error.name };
  }
  const bytes = [...new Uint8Array(await answer.arrayBuffer())];
  return { status: answer.status, fields: Object.fromEntries(answer.headers), bytes };
}

/** Waits until something holds. It has to come by itself; this only looks. */
async function until(what, holds) {
  const end = performance.now() + 15_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error('waited in vain until ' + what);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

/** Waits for the first of these events, and gives its name. */
function first(target, ...names) {
  return Promise.race(names.map(name => new Promise(resolve => {
    target.addEventListener(name, () => resolve(name), { once: true });
  })));
}

/** Puts an element with these attributes on the page. */
function add(name, attributes, parent = document.body) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  parent.append(element);
  return element;
}

/** Waits until a player has played on for so many seconds, or has failed. */
async function playsOn(player, seconds = 0.2) {
  const from = player.currentTime;
  const there = () => player.error || player.ended || player.currentTime > from + seconds;
  await until(`it plays on from ${from}`, there);
}

/** Begins to play, with the errors of the element told rather than those of the promise. */
async function begin(player) {
  player.muted = true;
  player.play().catch(() => {});
  await playsOn(player);
  return state(player);
}

/** Seeks to so many seconds and plays on there. Tells also whether they had been loaded before. */
async function leap(player, to) {
  const { buffered } = player;
  const loaded = [...Array(buffered.length).keys()].some(i => buffered.start(i) <= to && to < buffered.end(i));
  let sought = false;
  player.addEventListener('seeked', () => sought = true, { once: true });
  player.currentTime = to;
  await until(`it has sought ${to}`, () => sought || player.error);
  const reached = player.currentTime;
  if (!player.error) await playsOn(player);
  const caption = player.textTracks[0]?.activeCues?.[0]?.text;
  return { ...state(player), loaded, reached, caption, pixels: player.videoWidth ? pixels(player) : null };
}

/** Adds captions to a player, and gives the number of their cues. */
async function cues(player, src) {
  const track = add('track', { kind: 'captions', src }, player);
  track.track.mode = 'hidden';
  await first(track, 'load', 'error');
  return track.track.cues?.length;
}

/** Waits for the end. */
async function finish(player) {
  await until('it has ended', () => player.ended || player.error);
  return state(player);
}

/** How a player is. */
function state(player) {
  const { currentTime: at, duration, ended, error, videoWidth: width, videoHeight: height } = player;
  return { at, duration, ended, width, height, error: error && `${error.code} ${error.message}` };
}

/** Plays, seeks to 80 % and plays on. Tells how it looked there, or the code of its error. */
async function watch(player) {
  await begin(player);
  const { reached, duration, width, height } = player.error ? {} : await leap(player, player.duration * 0.8);
  if (player.error) return { error: player.error.code };
  const seen = { reached: reached / duration, duration, width, height };
  return player.videoWidth ? { ...seen, pixels: pixels(player) } : seen;
}

/** How many different bytes a picture has, or that the page may not look at it. */
function pixels(picture) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 64;
  const context = canvas.getContext('2d');
  context.drawImage(picture, 0, 0, 64, 64);
  try {
    return new Set(context.getImageData(0, 0, 64, 64).data).size;
  } catch (error) {
    return error.name;
  }
}

/** Takes a player off the page, and its connection from the server. */
function dismiss(player) {
  player.pause();
  player.removeAttribute('src');
  player.load();
  player.remove();
}
