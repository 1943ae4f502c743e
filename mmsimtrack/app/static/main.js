/** The page: opens sources, lets boxes be drawn, follows and lists them. */
import { Recorder, download, makeCsv, makeJson } from './results.js';
import { TARGETS } from './sample.js';
import { ImageSource, SampleSource, VideoSource } from './sources.js';

const COLORS = ['#ffb000', '#22d3ee', '#ff6b4a', '#a3e635', '#e879f9', '#7aa7ff'];
const LOST_COLOR = '#aaaaaa';
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LEAST = 4; // pixels of the sides of a box
const SLOWEST = 0.0625; // rate that browsers play at

const $ = (id) => document.getElementById(id);
const view = $('view').getContext('2d');
// holds the picture without boxes; crops are read from it
const frame = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
// of a picture that `mmsimtrack track` waits for boxes in
const pick = new URLSearchParams(location.search).get('pick');

let tracking; // promise of { Tracker, model }
let source = null;
let targets = [];
let rows = [];
let recorder = null;
let draft = null; // box that is being drawn
let now = 0; // time of the picture
let last = Promise.resolve();
let busy = 0; // milliseconds that a picture takes
let interval = Infinity; // seconds between two pictures
let counts = { tracked: 0, skipped: 0 };

/** Do things that use the picture or the targets one after the other. */
function inTurn(task) {
  last = last.then(task).catch(fail);
  return last;
}

function say(text, isError = false) {
  $('status').textContent = text;
  $('status').classList.toggle('error', isError);
}

function fail(error) {
  source?.pause();
  say(error.message, true);
  update();
}

// ---------------------------------------------------------------- sources

async function open(make) {
  close();
  say('Opening…');
  try {
    source = await make();
  } catch (error) {
    fail(error);
    return;
  }
  for (const { canvas } of [frame, view]) {
    canvas.width = source.width;
    canvas.height = source.height;
  }
  $('stage').dataset.state = 'ready';
  $('bar').hidden = false;
  $('seek').max = Number.isFinite(source.duration) ? source.duration : 0;
  $('seek').hidden = source.live || !source.duration;
  $('clock').hidden = $('seek').hidden;
  source.onframe = (time, skipped) => inTurn(() => takeFrame(time, skipped));
  source.onend = () => inTurn(end);
  if (source.live) await source.play();
  else await begin();
  $('view').focus({ preventScroll: true });
  say(pick ? 'Waiting for boxes.' : `${source.name}, ${source.width} × ${source.height} px`);
}

/** Show the first picture; the sample has its targets marked. */
async function begin() {
  await source.seek(0);
  if (source instanceof SampleSource) for (const bbox of TARGETS) await addTarget(bbox);
}

/** Forget all targets and boxes. */
function clear() {
  source?.pause();
  recorder?.stop();
  recorder = null;
  targets = [];
  rows = [];
  draft = null;
  counts = { tracked: 0, skipped: 0 };
  interval = Infinity;
  now = -1;
}

function close() {
  clear();
  source?.close();
  source = null;
  $('stage').dataset.state = 'empty';
  $('bar').hidden = true;
  say('');
  update();
}

/** Deal with a new picture: follow all targets, then show it. */
async function takeFrame(time, skipped) {
  if (!source || time === now) return;
  const before = performance.now();
  const step = time - now;
  source.draw(frame);
  now = time;
  if (targets.length && !pick) {
    for (const { tracker } of targets) await tracker.update(frame);
    note(targets);
    counts.tracked++;
    counts.skipped += skipped;
    busy = 0.8 * busy + 0.2 * (performance.now() - before);
    if (step > 0) interval = Math.min(interval, step);
    setRate();
  }
  paint();
  update();
}

/** Play as fast as all pictures can be followed. */
function setRate() {
  if (source.live || !busy) return;
  const step = Math.min(interval, 0.04);
  const wanted = $('pace').value === 'all' ? (600 * step) / busy : 1;
  source.rate = Math.min(Math.max(wanted, SLOWEST), 1);
  source.waits = wanted < 1;
}

async function end() {
  recorder?.pause();
  say(targets.length ? 'Done. The results can be downloaded.' : 'The video has ended.');
  update();
}

// ---------------------------------------------------------------- targets

/** Keep the boxes of targets in the current picture. */
function note(found) {
  for (const { id, tracker } of found) {
    const { bbox, score, lost } = tracker;
    rows.push({ time: now, id, bbox, score, lost });
  }
}

/** Follow what is in a box of the current picture. */
function addTarget(bbox) {
  return inTurn(async () => {
    const id = Math.max(0, ...targets.map((target) => target.id), ...rows.map((row) => row.id)) + 1;
    const target = { id, color: COLORS[(id - 1) % COLORS.length], tracker: { bbox, score: 1, lost: false } };
    if (!pick) {
      const { Tracker, model } = await tracking;
      const before = performance.now();
      target.tracker = new Tracker(model);
      await target.tracker.init(frame, bbox);
      const each = (performance.now() - before) / 8;
      busy = Math.max(busy, each * (targets.length + 1));
      setRate();
    }
    targets.push(target);
    note([target]);
    paint();
    update();
  });
}

function removeTarget(id) {
  return inTurn(() => {
    targets = targets.filter((target) => target.id !== id);
    // a target that was never followed leaves nothing
    if (rows.filter((row) => row.id === id).length === 1) rows = rows.filter((row) => row.id !== id);
    paint();
    update();
  });
}

async function toggle() {
  if (!source || !targets.length) return;
  if (pick) {
    await sendBoxes();
  } else if (source.paused) {
    if ($('record').checked) {
      recorder ??= new Recorder($('view'));
      recorder.resume();
    }
    source.play();
    say('Tracking…');
  } else {
    source.pause();
    recorder?.pause();
    say('Paused.');
  }
  update();
}

/** Hand the boxes to `mmsimtrack track`. */
async function sendBoxes() {
  const boxes = targets.map(({ tracker: { bbox: [x1, y1, x2, y2] } }) => [x1, y1, x2 - x1, y2 - y1]);
  const response = await fetch(`pick/${pick}/boxes`, { method: 'POST', body: JSON.stringify(boxes) });
  if (!response.ok) throw new Error('mmsimtrack track does not answer. Does it run still?');
  close();
  $('welcome').replaceChildren('Tracking goes on in the terminal. This page can be closed.');
}

// ---------------------------------------------------------------- drawing

/** Show the picture with its boxes. */
function paint() {
  const { canvas } = view;
  const unit = Math.max(canvas.width, canvas.height) / 480;
  view.drawImage(frame.canvas, 0, 0);
  for (const { id, color: own, tracker } of targets) {
    const [x1, y1, x2, y2] = tracker.bbox;
    const color = tracker.lost ? LOST_COLOR : own;
    if (tracker.lost) view.setLineDash([4 * unit, 3 * unit]);
    strokeBox(tracker.bbox, color, unit);
    view.setLineDash([]);
    view.font = `600 ${8 * unit}px system-ui, sans-serif`;
    const text = `${id}  ${tracker.lost ? 'lost' : tracker.score.toFixed(2)}`;
    const width = view.measureText(text).width + 6 * unit;
    const y = y1 > 12 * unit ? y1 - 11.5 * unit : Math.min(y2 + 1.5 * unit, canvas.height - 11 * unit);
    view.fillStyle = color;
    view.beginPath();
    view.roundRect(x1 - unit * 0.8, y, width, 10.5 * unit, 2 * unit);
    view.fill();
    view.fillStyle = '#10201e';
    view.fillText(text, x1 + 2.2 * unit, y + 8 * unit);
  }
  if (draft) {
    view.setLineDash([4 * unit, 3 * unit]);
    strokeBox(draft, '#ffffff', unit);
    view.setLineDash([]);
  }
}

function strokeBox([x1, y1, x2, y2], color, unit) {
  for (const [style, width] of [['#0008', 2.6], [color, 1.5]]) {
    view.strokeStyle = style;
    view.lineWidth = width * unit;
    view.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
}

/** Place of a pointer in the picture, which the element may show with borders. */
function place(event) {
  const { canvas } = view;
  const area = canvas.getBoundingClientRect();
  const scale = Math.min(area.width / canvas.width, area.height / canvas.height);
  const x = (event.clientX - area.left - area.width / 2) / scale + canvas.width / 2;
  const y = (event.clientY - area.top - area.height / 2) / scale + canvas.height / 2;
  return [Math.min(Math.max(x, 0), canvas.width), Math.min(Math.max(y, 0), canvas.height)];
}

let anchor = null; // where the pointer went down
let resumes = false; // whether the video played then

view.canvas.addEventListener('pointerdown', (event) => {
  if (!source || event.button) return;
  view.canvas.setPointerCapture(event.pointerId);
  anchor = place(event);
  resumes = !source.paused && !source.live;
  if (resumes) source.pause();
});

view.canvas.addEventListener('pointermove', (event) => {
  if (!anchor) return;
  const [x, y] = place(event);
  draft = [
    Math.min(anchor[0], x), Math.min(anchor[1], y),
    Math.max(anchor[0], x), Math.max(anchor[1], y),
  ];
  paint();
});

view.canvas.addEventListener('pointerup', async () => {
  anchor = null;
  await keepDraft();
  if (resumes) source.play();
});

view.canvas.addEventListener('pointercancel', () => {
  anchor = draft = null;
  paint();
});

async function keepDraft() {
  const bbox = draft;
  draft = null;
  if (bbox && bbox[2] - bbox[0] >= LEAST && bbox[3] - bbox[1] >= LEAST) await addTarget(bbox);
  paint();
  update();
}

/** Put a box into the middle, for the keyboard. */
function startDraft() {
  const { width, height } = view.canvas;
  const side = Math.min(width, height) / 4;
  draft = [(width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2];
  $('view').focus();
  paint();
  update();
}

/** Move a box, or its right and lower border, and stay in the picture. */
function changeDraft([dx, dy], resizes) {
  const { width, height } = view.canvas;
  const step = Math.ceil(width / 120);
  let [x1, y1, x2, y2] = draft;
  if (resizes) {
    x2 = Math.min(Math.max(x2 + dx * step, x1 + LEAST), width);
    y2 = Math.min(Math.max(y2 + dy * step, y1 + LEAST), height);
  } else {
    dx = Math.min(Math.max(dx * step, -x1), width - x2);
    dy = Math.min(Math.max(dy * step, -y1), height - y2);
    [x1, y1, x2, y2] = [x1 + dx, y1 + dy, x2 + dx, y2 + dy];
  }
  draft = [x1, y1, x2, y2];
  paint();
}

document.addEventListener('keydown', (event) => {
  const onControl = event.target.closest('button, input, select, a');
  if (!source || onControl || event.ctrlKey || event.metaKey || event.altKey) return;
  if (draft && event.key in STEPS) changeDraft(STEPS[event.key], event.shiftKey);
  else if (draft && event.key === 'Enter') keepDraft();
  else if (draft && event.key === 'Escape') draft = null;
  else if (event.key === 'b' || event.key === 'B') startDraft();
  else if (event.key === ' ') toggle().catch(fail);
  else return;
  event.preventDefault();
  paint();
  update();
});

// ---------------------------------------------------------------- controls

/** Bring all controls up to date. */
function update() {
  const playing = Boolean(source && !source.paused);
  $('track').textContent = playing && !source.live ? 'Pause' : pick ? 'Use these boxes' : 'Track';
  $('track').disabled = !targets.length;
  $('track').hidden = Boolean(source?.live);
  $('seek').disabled = rows.length > 0;
  $('seek').value = now;
  $('clock').textContent = `${Math.max(now, 0).toFixed(1)} s`;
  $('restart').hidden = !rows.length || Boolean(pick);
  $('add').disabled = !source;
  $('add').textContent = draft && !anchor ? 'Keep the box' : 'Add a box';
  $('no-targets').hidden = targets.length > 0;
  $('hint').hidden = !source || (targets.length > 0 && !draft);
  $('hint').textContent = draft && !anchor
    ? 'Arrow keys move the box, Shift resizes it, Enter keeps it'
    : 'Draw a box around what to follow';
  $('fps').textContent = counts.tracked ? (1000 / busy).toFixed(0) : '–';
  $('ms').textContent = counts.tracked ? busy.toFixed(1) : '–';
  $('count').textContent = counts.tracked;
  $('skipped').textContent = counts.skipped;
  for (const id of ['csv', 'json']) $(id).disabled = !rows.length;
  $('film').disabled = !recorder?.type;
  listTargets();
}

function listTargets() {
  const items = [...$('targets').children];
  const ids = targets.map((target) => String(target.id));
  items.filter((item) => !ids.includes(item.dataset.id)).forEach((item) => item.remove());
  for (const { id, color, tracker } of targets) {
    let item = $('targets').querySelector(`[data-id="${id}"]`);
    if (!item) {
      item = document.createElement('li');
      item.dataset.id = id;
      item.style.setProperty('--color', color);
      item.innerHTML = `<span class="chip"></span><span>Target ${id}<small></small></span>
        <button aria-label="Remove target ${id}">×</button>`;
      item.querySelector('button').addEventListener('click', () => removeTarget(id));
      $('targets').append(item);
    }
    const [x1, y1, x2, y2] = tracker.bbox.map(Math.round);
    item.querySelector('small').textContent = `${x1}, ${y1} · ${x2 - x1} × ${y2 - y1} px`;
  }
}

const on = (id, event, action) =>
  $(id).addEventListener(event, async (about) => {
    try {
      await action(about);
    } catch (error) {
      fail(error);
    }
  });

on('file', 'change', ({ target: { files } }) => {
  if (files.length) open(() => VideoSource.open(files[0], $('video')));
});
on('camera', 'click', () => open(() => VideoSource.camera($('video'))));
on('sample', 'click', () => open(async () => new SampleSource()));
on('track', 'click', toggle);
on('close', 'click', close);
on('restart', 'click', () => {
  clear();
  return begin();
});
on('seek', 'input', ({ target }) => source.seek(Number(target.value)));
on('add', 'click', () => (draft ? keepDraft() : startDraft()));
on('csv', 'click', () => download(makeCsv(rows), `${stem()}_tracked.csv`));
on('json', 'click', async () => {
  const { model } = await tracking;
  download(makeJson(rows, source.name, model.settings.model), `${stem()}_tracked.json`);
});
on('film', 'click', async () => {
  const film = await recorder.stop();
  const { ending } = recorder;
  recorder = null;
  update();
  if (film) download(film, `${stem()}_tracked.${ending}`);
});

const stem = () => source.name.replace(/\.\w+$/, '');

for (const event of ['dragover', 'dragleave', 'drop']) {
  on('stage', event, (about) => {
    about.preventDefault();
    const state = source ? 'ready' : 'empty';
    $('stage').dataset.state = event === 'dragover' ? 'over' : state;
    const [file] = event === 'drop' ? about.dataTransfer.files : [];
    if (file) return open(() => VideoSource.open(file, $('video')));
  });
}

async function loadTracking() {
  const { Tracker, loadModel } = await import('./tracker.js');
  const model = await loadModel((share) => ($('loading').value = share));
  $('loading').hidden = true;
  if (!source) say('Ready.');
  return { Tracker, model };
}

if (!('requestVideoFrameCallback' in HTMLVideoElement.prototype)) {
  say('This browser is too old to read a video frame by frame. Use a current one.', true);
}
if (pick) {
  for (const id of ['numbers', 'results', 'about', 'loading', 'close']) $(id).hidden = true;
  $('tagline').textContent = 'Draw a box around each target, then use these boxes.';
  open(() => ImageSource.open(`pick/${pick}/frame.png`, 'frame'));
} else {
  tracking = loadTracking();
  tracking.catch(fail);
}
update();
