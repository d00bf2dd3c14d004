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

/** Plays, seeks to 80 % and plays on. Tells how it looked there, or the code of its error. */
async function watch(player) {
  const moves = async () => {
    const from = player.currentTime;
    await until('it plays on from ' + from, () => player.error || player.currentTime > from + 0.1);
  };
  player.muted = true;
  player.play().catch(() => {}); // the element's error tells more
  await moves();
  if (!player.error) {
    player.currentTime = player.duration * 0.8;
    await first(player, 'seeked', 'error');
  }
  const reached = player.currentTime / player.duration;
  if (!player.error) await moves();
  if (player.error) return { error: player.error.code };
  const seen = { reached, duration: player.duration, width: player.videoWidth, height: player.videoHeight };
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
