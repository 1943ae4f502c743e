/** The sample: hot-air balloons and a van at dusk, drawn from nothing. */
export const SCENE = { width: 960, height: 540, fps: 25, frames: 250 };
const { width: W, height: H } = SCENE;

/** Repeatable noise in [0, 1). */
const noise = (i) => ((Math.sin(i * 127.1) * 43758.5453) % 1 + 1) % 1;
const pan = (t) => 26 * Math.sin(t * 0.55) + 14 * t;

function balloonAt(t) {
  return { x: 250 + 46 * t + 30 * Math.sin(t * 0.9), y: 205 - 60 * Math.sin(t * 0.42), s: 1 + 0.05 * t };
}
function smallBalloonAt(t) {
  return { x: 760 - 50 * t, y: 130 + 35 * Math.sin(t * 0.7 + 1), s: 0.52 };
}
const vanAt = (t) => ({ x: 90 + 78 * t + 18 * Math.sin(t), y: 452 + 4 * Math.sin(t * 0.8), s: 1 });

const boxAround = ({ x, y, s }, [left, top, right, bottom]) =>
  [x + s * left, y + s * top, x + s * right, y + s * bottom];
const BALLOON = [-58, -72, 58, 94];

/** Targets to begin with, [x1, y1, x2, y2] in the first frame. */
export const TARGETS = [
  boxAround(balloonAt(0), BALLOON),
  boxAround(vanAt(0), [-52, -44, 54, 15]),
  boxAround(smallBalloonAt(0), BALLOON),
];

/** Draw the scene as it is after a number of seconds. */
export function drawScene(context, t) {
  drawSky(context, t);
  drawHills(context, t);
  drawBalloon(context, smallBalloonAt(t), ['#2f6f8f', '#e9eef0', '#1f4c68', '#8fc1d4']);
  drawBalloon(context, balloonAt(t), ['#d8432e', '#f6c445', '#b32a33', '#f08a3c']);
  drawTrees(context, t);
  drawRoad(context, t);
  drawVan(context, vanAt(t), t);
  drawGrain(context);
}

function drawSky(context, t) {
  const sky = context.createLinearGradient(0, 0, 0, H);
  [[0, '#3d5a80'], [0.35, '#8a8fb0'], [0.62, '#f2b48c'], [0.8, '#f9d9a8']].forEach((stop) =>
    sky.addColorStop(...stop));
  context.fillStyle = sky;
  context.fillRect(0, 0, W, H);
  const sun = context.createRadialGradient(690, 330, 12, 690, 330, 210);
  [[0, '#fff6d8'], [0.16, '#ffe9b0cc'], [1, '#ffd79a00']].forEach((stop) => sun.addColorStop(...stop));
  context.fillStyle = sun;
  context.fillRect(0, 0, W, H);
  for (let i = 0; i < 9; i++) {
    const x = ((noise(i) * 1300 + t * (5 + 5 * noise(i + 50))) % 1300) - 170;
    const y = 30 + 190 * noise(i + 20);
    context.fillStyle = `rgba(255, 240, 230, ${0.1 + 0.14 * noise(i + 9)})`;
    for (let k = 0; k < 6; k++) {
      context.beginPath();
      context.ellipse(x + 28 * k, y + 9 * noise(i * 7 + k), 44, 9 + 8 * noise(i + k), 0, 0, 7);
      context.fill();
    }
  }
}

/** Fill everything below a line of sines. */
function fillRidge(context, color, base, height, stretch, shift) {
  context.fillStyle = color;
  context.beginPath();
  context.moveTo(0, H);
  for (let x = 0; x <= W; x += 6) {
    const u = (x + shift) / stretch;
    const y = Math.sin(u) + 0.5 * Math.sin(2.3 * u + 1) + 0.22 * Math.sin(6.1 * u + 2);
    context.lineTo(x, base - height * y);
  }
  context.lineTo(W, H);
  context.fill();
}

function drawHills(context, t) {
  fillRidge(context, '#8f87a6', 330, 36, 150, pan(t) * 0.25 + 400);
  fillRidge(context, '#6d6f92', 368, 26, 105, pan(t) * 0.5 + 90);
  fillRidge(context, '#4d6a6b', 404, 18, 130, pan(t) * 0.9);
  for (let i = 0; i < 70; i++) { // woods on the nearest ridge
    const x = ((noise(i + 300) * 1500 - pan(t) * 0.9) % 1500 + 1500) % 1500 - 200;
    context.fillStyle = noise(i) > 0.5 ? '#3f5a58' : '#466563';
    context.beginPath();
    context.ellipse(x, 418 + 18 * noise(i + 400), 15, 11 + 9 * noise(i + 500), 0, 0, 7);
    context.fill();
  }
}

function drawBalloon(context, { x, y, s }, colors) {
  context.save();
  context.translate(x, y);
  context.scale(s, s);
  const outline = new Path2D('M0 -72 C38 -72 58 -42 58 -12 C58 22 24 44 15 62 L-15 62 C-24 44 -58 22 -58 -12 C-58 -42 -38 -72 0 -72Z');
  context.save();
  context.clip(outline);
  for (let i = 7; i >= 0; i--) {
    context.fillStyle = colors[i % 4];
    context.beginPath();
    context.ellipse(0, -6, 8 + 7.3 * i, 92, 0, 0, 7);
    context.fill();
  }
  context.fillStyle = colors[1];
  context.fillRect(-60, -14, 120, 13);
  context.fillStyle = colors[2];
  context.fillRect(-60, 1, 120, 5);
  const shade = context.createRadialGradient(24, -34, 8, 6, -12, 78);
  [[0, '#ffffff66'], [0.45, '#ffffff00'], [1, '#1b102888']].forEach((stop) => shade.addColorStop(...stop));
  context.fillStyle = shade;
  context.fillRect(-60, -74, 120, 140);
  context.restore();
  context.strokeStyle = '#3b2b26';
  context.lineWidth = 1.4;
  context.stroke(new Path2D('M-13 62 L-9 78 M13 62 L9 78 M-4 62 L-4 78 M4 62 L4 78'));
  context.fillStyle = '#6d4a2f';
  context.beginPath();
  context.roundRect(-11, 77, 22, 17, 3);
  context.fill();
  context.fillStyle = '#8e6541';
  context.fillRect(-11, 77, 22, 4);
  context.restore();
}

function drawRoad(context, t) {
  context.fillStyle = '#4f5158';
  context.fillRect(0, 446, W, 42);
  context.fillStyle = '#e9dfc2';
  for (let i = -1; i < 12; i++) {
    const x = ((i * 96 - pan(t) * 2.2) % 1152 + 1152) % 1152 - 96;
    context.fillRect(x, 465, 48, 3.5);
  }
  context.fillStyle = '#4d6a35';
  context.fillRect(0, 488, W, H);
  for (let i = 0; i < 160; i++) {
    const x = ((noise(i) * 1100 - pan(t) * 2.6) % 1100 + 1100) % 1100 - 70;
    context.fillStyle = noise(i + 70) > 0.5 ? '#5f7f3f' : '#3f5a2c';
    context.fillRect(x, 489 + 50 * noise(i + 10), 14, 2.4);
  }
}

function drawVan(context, { x, y, s }, t) {
  context.save();
  context.translate(x, y);
  context.scale(s, s);
  context.fillStyle = '#00000055';
  context.beginPath();
  context.ellipse(0, 13, 56, 6, 0, 0, 7);
  context.fill();
  const body = new Path2D('M-50 6 L-50 -32 Q-50 -44 -38 -44 L24 -44 Q32 -44 37 -34 L44 -18 Q54 -15 54 -4 L54 6Z');
  const paint = context.createLinearGradient(0, -44, 0, 8);
  [[0, '#fff3df'], [0.48, '#f3e3c3'], [0.52, '#2e8f86'], [1, '#1d5f5b']].forEach((stop) => paint.addColorStop(...stop));
  context.fillStyle = paint;
  context.fill(body);
  context.fillStyle = '#24343d';
  for (const [left, width] of [[-44, 20], [-20, 20], [4, 17]]) context.fillRect(left, -37, width, 14);
  context.fill(new Path2D('M25 -37 L30 -37 L38 -22 L25 -22Z'));
  context.fillStyle = '#ffe9a3';
  context.fillRect(49, -9, 5, 6);
  context.fillStyle = '#c23b2e';
  context.fillRect(-51, -8, 4, 7);
  for (const wheel of [-30, 31]) {
    context.fillStyle = '#1d1d22';
    context.beginPath();
    context.arc(wheel, 5, 10, 0, 7);
    context.fill();
    context.strokeStyle = '#c9c9cf';
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(wheel, 5, 5.5, t * 9, t * 9 + 4.6);
    context.stroke();
  }
  context.restore();
}

function drawTrees(context, t) {
  fillRidge(context, '#59723f', 438, 6, 260, pan(t) * 1.6);
  for (let i = 0; i < 5; i++) {
    const x = ((i * 330 + 200 - pan(t) * 1.5) % 1650 + 1650) % 1650 - 200;
    context.fillStyle = '#3c2c22';
    context.fillRect(x - 4, 400, 8, 60);
    for (let k = 0; k < 16; k++) {
      context.fillStyle = ['#2f4a2a', '#3a5a31', '#28401f'][k % 3];
      const [dx, dy] = [noise(i * 31 + k) - 0.5, noise(i * 17 + k + 5) - 0.5];
      context.beginPath();
      context.ellipse(x + 52 * dx, 390 + 66 * dy, 15, 13, 0, 0, 7);
      context.fill();
    }
  }
}

let grain;
/** Lay the noise of a camera over all. */
function drawGrain(context) {
  if (!grain) {
    const tile = new ImageData(128, 128);
    for (let i = 0; i < 128 * 128; i++) {
      tile.data.fill(noise(i * 0.73) > 0.5 ? 255 : 0, 4 * i, 4 * i + 3);
      tile.data[4 * i + 3] = 14 * noise(i + 0.3);
    }
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 128;
    canvas.getContext('2d').putImageData(tile, 0, 0);
    grain = context.createPattern(canvas, 'repeat');
  }
  context.fillStyle = grain;
  context.fillRect(0, 0, W, H);
}
