/**
 * Where frames come from. Every source has `width`, `height`, `name`, `live`,
 * `duration`, `paused`, `play()`, `pause()`, `seek(seconds)`, `close()` and
 * `draw(context)`, and awaits `onframe(time, skipped)` for each new picture.
 */
import { drawScene, SCENE } from './sample.js';

// On a busy computer the video goes on between the call and the drawing. A
// VideoFrame knows the time of its picture, and in newer browsers its rotation.
const KNOWS_TIME = 'rotation' in (globalThis.VideoFrame?.prototype ?? {});

/** A video file or a camera, frame by frame as they are presented. */
export class VideoSource {
  constructor(video, name, live) {
    this.video = video;
    this.name = name;
    this.live = live;
    this.presented = null;
    this.onframe = this.onend = () => {};
    this.paused = true;
    this.waits = false; // whether the video stands still during `onframe`
    video.addEventListener('ended', () => {
      this.paused = true;
      this.onend();
    });
    this.request();
  }

  static async open(file, video) {
    video.src = URL.createObjectURL(file);
    try {
      await opened(video);
    } catch {
      throw new Error(
        `This browser cannot play ${file.name}. Choose an MP4 with H.264 or a WebM; ` +
          `ffmpeg -i ${file.name} out.mp4 makes one.`,
      );
    }
    return new VideoSource(video, file.name, false);
  }

  static async camera(video) {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, facingMode: 'environment' },
      });
    } catch (error) {
      throw new Error(`There is no camera to use (${error.name}). Connect one and allow it.`);
    }
    await opened(video);
    return new VideoSource(video, 'camera', true);
  }

  request() {
    this.handle = this.video.requestVideoFrameCallback((_, about) => this.tell(about));
  }

  /** Pass a picture on; the next one is asked for once it is dealt with. */
  async tell({ mediaTime, presentedFrames }) {
    const skipped = this.presented === null ? 0 : presentedFrames - this.presented - 1;
    this.presented = presentedFrames;
    const { waits } = this;
    if (waits) this.video.pause();
    if (KNOWS_TIME && !this.live) this.picture = new VideoFrame(this.video);
    const time = this.picture ? this.picture.timestamp / 1e6 : mediaTime;
    await this.onframe(time, Math.max(skipped, 0));
    this.picture?.close();
    this.picture = null;
    if (waits && !this.paused) this.start();
    this.shown?.();
    if (this.closed) return;
    this.request();
  }

  get width() { return this.video.videoWidth; }
  get height() { return this.video.videoHeight; }
  get duration() { return this.video.duration; }
  set rate(value) { this.video.playbackRate = value; }
  /** Let the video play; being paused again before it does is no error. */
  start() { return this.video.play().catch(() => {}); }

  play() {
    this.paused = false;
    return this.start();
  }

  pause() {
    this.paused = true;
    this.video.pause();
  }

  draw(context) { context.drawImage(this.picture ?? this.video, 0, 0); }

  /** Go to a time; done once the picture has been dealt with. */
  seek(seconds) {
    this.presented = null;
    // browsers present no picture anew
    if (this.video.currentTime === seconds) return this.onframe(seconds, 0);
    return new Promise((resolve) => {
      this.shown = resolve;
      this.video.currentTime = seconds;
    });
  }

  close() {
    this.closed = true;
    this.video.cancelVideoFrameCallback(this.handle);
    this.onframe = this.onend = () => {};
    this.video.pause();
    this.video.srcObject?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
    URL.revokeObjectURL(this.video.src);
    this.video.removeAttribute('src');
  }
}

/** Wait for the first picture; before, the video draws nothing. */
function opened(video) {
  return new Promise((resolve, reject) => {
    video.requestVideoFrameCallback(resolve);
    video.onerror = reject;
    video.load();
  });
}

/** The drawn scene of sample.js; no frame of it is ever left out. */
export class SampleSource {
  name = 'sample';
  live = false;
  paused = true;
  width = SCENE.width;
  height = SCENE.height;
  duration = SCENE.frames / SCENE.fps;
  number = 0;
  rate = 1;
  onframe = () => {};
  onend = () => {};

  draw(context) { drawScene(context, this.number / SCENE.fps); }
  pause() { this.paused = true; }
  close() { this.pause(); }

  async seek(seconds) {
    this.number = Math.min(Math.round(seconds * SCENE.fps), SCENE.frames - 1);
    await this.onframe(this.number / SCENE.fps, 0);
  }

  async play() {
    this.paused = false;
    let due = performance.now();
    while (!this.paused && this.number < SCENE.frames - 1) {
      due = Math.max(due + 1000 / SCENE.fps, performance.now());
      await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
      if (this.paused) return;
      await this.seek((this.number + 1) / SCENE.fps);
    }
    this.paused = true;
    this.onend();
  }
}

/** A single picture, to draw boxes in. */
export class ImageSource {
  live = false;
  paused = true;
  duration = 0;
  onframe = () => {};

  static async open(url, name) {
    const source = new ImageSource();
    source.image = new Image();
    source.image.src = url;
    await source.image.decode();
    return Object.assign(source, { name });
  }

  get width() { return this.image.naturalWidth; }
  get height() { return this.image.naturalHeight; }
  draw(context) { context.drawImage(this.image, 0, 0); }
  seek() { return this.onframe(0, 0); }
  pause() {}
  close() {}
}
