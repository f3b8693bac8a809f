// What part of the picture is seen, the same in all panes: place and zoom.

const MOST = 64;

/** A place in the picture and a zoom, which panes follow. */
export class View extends EventTarget {
  /** @param {number} width of the picture; @param {number} height of it */
  constructor(width, height) {
    super();
    this.width = width;
    this.height = height;
    this.fit();
  }

  /** The whole picture. */
  fit() {
    this.zoom = 1;
    this.x = this.width / 2;
    this.y = this.height / 2;
    this.changed();
  }

  /** Zoom by a factor and keep a point of the picture where it is. */
  zoomBy(factor, x = this.x, y = this.y) {
    const zoom = Math.min(MOST, Math.max(1, this.zoom * factor));
    const part = 1 - this.zoom / zoom;
    this.zoom = zoom;
    this.moveTo(this.x + (x - this.x) * part, this.y + (y - this.y) * part);
  }

  /** Put a point of the picture in the middle, as far as there is picture around it. */
  moveTo(x, y) {
    const room = (size) => size / 2 / this.zoom;
    this.x = Math.min(this.width - room(this.width), Math.max(room(this.width), x));
    this.y = Math.min(this.height - room(this.height), Math.max(room(this.height), y));
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}
