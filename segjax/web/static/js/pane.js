// A canvas that shows layers of a picture through a view, and hears mouse, fingers, keys.

const STEP = 0.1; // of what is seen, for a key

/** One canvas. */
export class Pane {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./view.js").View} view shared with other panes
   * @param {(context: CanvasRenderingContext2D, pane: Pane) => void} paint draws the
   *   layers in coordinates of the picture
   * @param {(x: number, y: number) => void} over told of the pixel under the pointer
   */
  constructor(canvas, view, paint, over) {
    Object.assign(this, { canvas, view, paint, over, fingers: new Map(), due: false });
    canvas.closest("figure").style.setProperty("--ratio", view.width / view.height);
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(canvas);
    this.heard = () => this.draw();
    view.addEventListener("change", this.heard);
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (e) => this[kind](e));
    }
    canvas.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    canvas.addEventListener("keydown", (e) => this.key(e));
  }

  /** Stop following the view. */
  close() {
    this.sizes.disconnect();
    this.view.removeEventListener("change", this.heard);
  }

  /** Pixels of the canvas for a pixel of the picture. */
  get scale() {
    const { canvas, view } = this;
    return view.zoom * Math.min(canvas.width / view.width, canvas.height / view.height);
  }

  /** Draw with the next frame. */
  draw() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.now();
    });
  }

  now() {
    const { canvas, view } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
    }
    canvas.style.touchAction = view.zoom > 1 ? "none" : "pan-y";
    const context = canvas.getContext("2d");
    const scale = this.scale;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(
      scale, 0, 0, scale, width / 2 - view.x * scale, height / 2 - view.y * scale,
    );
    context.imageSmoothingEnabled = true;
    this.paint(context, this);
  }

  /** The point of the picture under a pointer. */
  at(e) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    return [
      this.view.x + ((e.clientX - box.left) * ratio - this.canvas.width / 2) / this.scale,
      this.view.y + ((e.clientY - box.top) * ratio - this.canvas.height / 2) / this.scale,
    ];
  }

  pointerdown(e) {
    this.canvas.setPointerCapture(e.pointerId);
    this.fingers.set(e.pointerId, e);
    this.over(...this.at(e));
  }

  pointermove(e) {
    this.over(...this.at(e));
    const before = this.fingers.get(e.pointerId);
    if (!before) return;
    const other = [...this.fingers.values()].find((f) => f.pointerId !== e.pointerId);
    if (other) {
      const apart = (f) => Math.hypot(f.clientX - other.clientX, f.clientY - other.clientY);
      this.view.zoomBy(apart(e) / Math.max(1, apart(before)), ...this.at(e));
    } else {
      const [x, y] = this.at(e);
      const [fromX, fromY] = this.at(before);
      this.view.moveTo(this.view.x + fromX - x, this.view.y + fromY - y);
    }
    this.fingers.set(e.pointerId, e);
  }

  pointerup(e) {
    this.fingers.delete(e.pointerId);
  }

  pointercancel(e) {
    this.fingers.delete(e.pointerId);
  }

  wheel(e) {
    if (!e.ctrlKey && this.view.zoom === 1 && e.deltaY > 0) return; // the page scrolls
    e.preventDefault();
    this.view.zoomBy(Math.exp(-Math.max(-99, Math.min(99, e.deltaY)) / 300), ...this.at(e));
  }

  key(e) {
    const { view } = this;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[e.key];
    if (!way || view.zoom === 1) return;
    e.preventDefault();
    const step = STEP / view.zoom;
    view.moveTo(view.x + way[0] * step * view.width, view.y + way[1] * step * view.height);
    this.over(view.x, view.y);
  }
}
