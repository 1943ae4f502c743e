/** Boxes as `mmsimtrack track` writes them, and the video with boxes. */

/**
 * Give each time the number of its frame. Times are multiples of the duration
 * of a frame, which is found from them; frames may be missing.
 * @param {number[]} times - ascending, in seconds.
 */
export function numberFrames(times) {
  const steps = times.slice(1).map((time, i) => time - times[i]).filter((step) => step > 1e-4);
  const least = Math.min(...steps);
  const count = steps.reduce((sum, step) => sum + Math.round(step / least), 0);
  const duration = count ? (times.at(-1) - times[0]) / count : 0.04;
  let [number, last] = [Math.round(times[0] / duration), times[0]];
  const numbers = times.map((time) => {
    number += Math.round((time - last) / duration);
    last = time;
    return number;
  });
  return { numbers, fps: 1 / duration };
}

/**
 * All boxes, in order of frames and targets.
 * @param {{time: number, id: number, bbox: number[], score: number, lost: boolean}[]} rows
 */
function collect(rows) {
  const times = [...new Set(rows.map((row) => row.time))].sort((a, b) => a - b);
  const { numbers, fps } = numberFrames(times);
  const frames = new Map(times.map((time, i) => [time, numbers[i]]));
  const found = rows.map(({ time, id, bbox: [x1, y1, x2, y2], score, lost }) => ({
    frame: frames.get(time), time, id, bbox: [x1, y1, x2 - x1, y2 - y1], score, lost,
  }));
  return { fps, found: found.sort((a, b) => a.frame - b.frame || a.id - b.id) };
}

export function makeCsv(rows) {
  const lines = collect(rows).found.map(({ frame, time, id, bbox, score, lost }) => {
    const box = bbox.map((value) => value.toFixed(4));
    return [frame, time.toFixed(6), id, ...box, score.toFixed(4), Number(lost)].join(',');
  });
  return ['frame,time,id,x,y,w,h,score,lost', ...lines, ''].join('\n');
}

export function makeJson(rows, source, model) {
  const { fps, found } = collect(rows);
  const tracks = new Map();
  for (const { id, ...row } of found) {
    if (!tracks.has(id)) tracks.set(id, { id, frames: [] });
    tracks.get(id).frames.push(row);
  }
  const about = { source, fps: Number(fps.toFixed(3)), model };
  return `${JSON.stringify({ ...about, tracks: [...tracks.values()] })}\n`;
}

const KINDS = ['video/mp4;codecs=avc1.42E01E', 'video/mp4', 'video/webm;codecs=vp9', 'video/webm'];

/** Records a canvas. */
export class Recorder {
  constructor(canvas) {
    const kinds = globalThis.MediaRecorder ? KINDS : [];
    this.type = kinds.find((kind) => MediaRecorder.isTypeSupported(kind));
    this.canvas = canvas;
    this.chunks = [];
  }

  get ending() { return this.type?.includes('mp4') ? 'mp4' : 'webm'; }

  /** Begin, or go on. */
  resume() {
    if (!this.type) return;
    if (!this.recorder) {
      const options = { mimeType: this.type, videoBitsPerSecond: 6e6 };
      this.recorder = new MediaRecorder(this.canvas.captureStream(), options);
      this.recorder.ondataavailable = ({ data }) => this.chunks.push(data);
      this.recorder.start(1000);
    } else if (this.recorder.state === 'paused') {
      this.recorder.resume();
    }
  }

  pause() {
    if (this.recorder?.state === 'recording') this.recorder.pause();
  }

  /** End -> the video, or null if nothing was recorded. */
  async stop() {
    const { recorder } = this;
    if (recorder && recorder.state !== 'inactive') {
      await new Promise((resolve) => {
        recorder.onstop = resolve;
        recorder.stop();
      });
    }
    return this.chunks.length ? new Blob(this.chunks, { type: this.type }) : null;
  }
}

export function download(content, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
