/**
 * The tracker of `mmsimtrack export`, as mmsimtrack/runtime/tracker.py runs it:
 * the same crops, boxes, calibration, smoothing and rule for lost targets. Boxes
 * are [x1, y1, x2, y2].
 */
import * as ort from './ort/ort.wasm.bundle.min.mjs';

const ORT = new URL('./ort/', import.meta.url);
const MODEL = new URL('./model/', import.meta.url);

/** Fetch a gzipped file; tell the number of bytes as they come. */
async function fetchGzip(url, tell) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: the server answers ${response.status}`);
  const count = new TransformStream({
    transform(chunk, controller) {
      tell(chunk.length);
      controller.enqueue(chunk);
    },
  });
  const bytes = response.body.pipeThrough(count).pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(bytes).arrayBuffer());
}

/**
 * Load runtime and networks.
 * @param {(share: number) => void} tell - called with the share that is loaded.
 */
export async function loadModel(tell) {
  const settings = await (await fetch(new URL('tracker.json', MODEL))).json();
  const urls = [new URL('ort-wasm-simd-threaded.wasm.gz', ORT)];
  for (const file of Object.values(settings.files)) urls.push(new URL(`${file}.gz`, MODEL));
  let done = 0;
  const add = (bytes) => tell(Math.min((done += bytes) / settings.wire_bytes, 1));
  const [wasm, ...networks] = await Promise.all(urls.map((url) => fetchGzip(url, add)));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm.buffer;
  const sessions = {};
  for (const [i, name] of Object.keys(settings.files).entries()) {
    sessions[name] = await ort.InferenceSession.create(networks[i], {
      executionProviders: ['wasm'],
      logSeverityLevel: 3,
    });
  }
  return new Model(settings, sessions);
}

/** Networks and the numbers around them, shared by all targets. */
class Model {
  constructor(settings, sessions) {
    this.settings = settings;
    this.sessions = sessions;
    this.ready = Promise.resolve(); // runs go one after the other
  }

  run(name, feed) {
    const wanted = Object.fromEntries(
      this.sessions[name].inputNames.map((input) => [input, feed[input]]),
    );
    const result = this.ready.then(() => this.sessions[name].run(wanted));
    this.ready = result.catch(() => {});
    return result;
  }
}

/** Follows one target. */
export class Tracker {
  constructor(model) {
    this.model = model;
  }

  /**
   * Start with the target in a frame.
   * @param {CanvasRenderingContext2D} frame - holds the picture.
   */
  async init(frame, bbox) {
    const { settings } = this.model;
    const window = windowAround(bbox, settings.exemplar);
    const found = await this.model.run('exemplar', {
      exemplar: cut(frame, window),
      bbox: new ort.Tensor('float32', toCrop(window, bbox), [1, 4]),
    });
    this.memory = found;
    this.bbox = bbox;
    this.score = 1;
    this.missed = 0; // frames since the target was seen
    this.bias = null;
    if (settings.calibrate || settings.lost) await this.calibrate(frame, bbox);
  }

  get lost() { return this.missed > 0; }

  /** Find the target in the next frame -> bbox. */
  async update(frame) {
    const { settings } = this.model;
    const around = settings.lost ? widen(this.bbox, this.missed, settings.lost) : this.bbox;
    const found = await this.find(frame, around);
    this.judge(found.peak);
    if (found.bbox.every(Number.isFinite) && Number.isFinite(found.score)) {
      const { width, height } = frame.canvas;
      const next = nextBox(found.bbox, this.bbox, settings, this.bias, [width, height]);
      if (!this.lost) this.bbox = next;
      this.score = found.score;
    }
    return this.bbox;
  }

  /** Judge from the peak whether the target is seen. */
  judge(peak) {
    const { share, rate } = this.model.settings.lost ?? {};
    if (peak >= share * this.usual) this.usual += rate * (peak - this.usual);
    this.missed = peak < share * this.usual ? this.missed + 1 : 0;
  }

  /** Predict the box from a crop around a box. */
  async find(frame, around) {
    const window = windowAround(around, this.model.settings.search);
    const found = await this.model.run('search', { search: cut(frame, window), ...this.memory });
    return {
      bbox: toFrame(window, found.box.data),
      score: found.score.data[0],
      peak: found.peak?.data[0], // older exports have none
    };
  }

  /** Compare predictions around displaced boxes with the given one. */
  async calibrate(frame, given) {
    const { settings } = this.model;
    const [views, peaks] = [[], []];
    for (const [x, y, scale] of settings.calibration_views) {
      const around = changeBox(given, [x, y, Math.log(scale), Math.log(scale)]);
      const found = await this.find(frame, around);
      views.push(compareBoxes(found.bbox, given));
      peaks.push(found.peak);
    }
    this.usual = median(peaks);
    if (!settings.calibrate) return;
    this.bias = given.map((_, i) => {
      const middle = median(views.map((view) => view[i]));
      return Number.isFinite(middle) ? clamp(middle, -0.5, 0.5) : 0;
    });
  }
}

/** The middle of an odd number of values; NaN if one is. */
function median(values) {
  if (values.some(Number.isNaN)) return NaN;
  return values.sort((a, b) => a - b)[values.length >> 1];
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const round6 = (value) => Math.round(value * 1e6) / 1e6;

function roundHalfEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

/** The square of the frame that becomes a crop. */
export function windowAround([x1, y1, x2, y2], { factor, size }) {
  const side = Math.max(Math.ceil(round6(factor * Math.sqrt((x2 - x1) * (y2 - y1)))), 1);
  const left = roundHalfEven(round6((x1 + x2 - side) / 2));
  const top = roundHalfEven(round6((y1 + y2 - side) / 2));
  return { left, top, side, size };
}

const toCrop = ({ left, top, side }, bbox) =>
  Float32Array.from(bbox, (value, i) => (value - (i % 2 ? top : left)) / side);
export const toFrame = ({ left, top, side }, bbox) =>
  Array.from(bbox, (value, i) => value * side + (i % 2 ? top : left));

/** Cut a window out of a frame, black outside of it -> (1, 3, size, size). */
function cut(frame, { left, top, side, size }) {
  const { width, height } = frame.canvas;
  const [x1, y1] = [Math.max(left, 0), Math.max(top, 0)];
  const [x2, y2] = [Math.min(left + side, width), Math.min(top + side, height)];
  const crop = new Uint8Array(3 * size * size);
  const tensor = new ort.Tensor('uint8', crop, [1, 3, size, size]);
  if (x2 <= x1 || y2 <= y1) return tensor;
  const pixels = frame.getImageData(x1, y1, x2 - x1, y2 - y1).data;
  const columns = taps(size, side, left - x1, x2 - x1);
  const rows = taps(size, side, top - y1, y2 - y1);
  const stride = 4 * (x2 - x1);
  let at = 0;
  for (const [j0, a0, j1, a1] of rows) {
    for (const [i0, b0, i1, b1] of columns) {
      const p = j0 * stride + 4 * i0;
      const q = j0 * stride + 4 * i1;
      const r = j1 * stride + 4 * i0;
      const s = j1 * stride + 4 * i1;
      for (let c = 0; c < 3; c++) {
        const upper = b0 * pixels[p + c] + b1 * pixels[q + c];
        const lower = b0 * pixels[r + c] + b1 * pixels[s + c];
        crop[c * size * size + at] = a0 * upper + a1 * lower + 0.5;
      }
      at++;
    }
  }
  return tensor;
}

/**
 * Indices and weights of the two pixels that make each pixel of a crop, as
 * cv2.resize takes them; pixels outside of the frame have no weight.
 */
function taps(size, side, offset, length) {
  return Array.from({ length: size }, (_, i) => {
    const place = clamp(((i + 0.5) * side) / size - 0.5, 0, side - 1);
    const first = Math.floor(place);
    return [first, Math.min(first + 1, side - 1)].flatMap((index, second) => {
      const weight = second ? place - first : 1 - place + first;
      const inside = index + offset >= 0 && index + offset < length;
      return inside ? [index + offset, weight] : [0, 0];
    });
  });
}

/** Move and scale a box by [x, y] of its sides and logarithms of factors. */
function changeBox([x1, y1, x2, y2], [dx, dy, dw, dh]) {
  const [w, h] = [x2 - x1, y2 - y1];
  const [x, y] = [(x1 + x2) / 2 + dx * w, (y1 + y2) / 2 + dy * h];
  const [halfW, halfH] = [(w * Math.exp(dw)) / 2, (h * Math.exp(dh)) / 2];
  return [x - halfW, y - halfH, x + halfW, y + halfH];
}

/** The box to search around for a target that was missed. */
export function widen(bbox, missed, { growth, limit }) {
  const scale = Math.min(missed * Math.log(growth), Math.log(limit));
  return changeBox(bbox, [0, 0, scale, scale]);
}

/** By what `changeBox` made a box of another one. */
function compareBoxes([x1, y1, x2, y2], [u1, v1, u2, v2]) {
  const [w, h] = [x2 - x1, y2 - y1];
  return [
    (x1 + x2 - u1 - u2) / 2 / w,
    (y1 + y2 - v1 - v2) / 2 / h,
    Math.log(w / (u2 - u1)),
    Math.log(h / (v2 - v1)),
  ];
}

/** Make the box of the next frame from a prediction. */
export function nextBox(found, previous, settings, bias, limit) {
  if (bias) found = changeBox(found, bias.map((value) => -value));
  found = smoothSize(found, previous, settings.size_smoothing);
  const bbox = [];
  for (const axis of [0, 1]) {
    const margin = Math.min(settings.clip_margin, limit[axis]);
    const corner = clamp(found[axis], 0, limit[axis] - margin);
    const opposite = clamp(found[axis + 2], margin, limit[axis]);
    bbox[axis] = corner;
    bbox[axis + 2] = corner + Math.max(opposite - corner, margin);
  }
  return bbox;
}

/** Mix the size of a box with the former one around its center. */
function smoothSize(bbox, previous, weight) {
  if (!weight) return bbox;
  const result = [];
  for (const axis of [0, 1]) {
    const size = bbox[axis + 2] - bbox[axis];
    const former = previous[axis + 2] - previous[axis];
    const change = Math.log(Math.max(size, 1e-9) / Math.max(former, 1e-9));
    const share = weight * Math.exp(-((change / 0.5) ** 2));
    const half = ((1 - share) * size + share * former) / 2;
    const center = (bbox[axis] + bbox[axis + 2]) / 2;
    result[axis] = center - half;
    result[axis + 2] = center + half;
  }
  return result;
}
