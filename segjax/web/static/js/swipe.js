// The handle between two sides of a pane: for the mouse, fingers and keys.

const STEP = 2; // per cent, for a key

/**
 * Put a handle onto a stage.
 * @param {HTMLElement} stage that it moves over
 * @param {(part: number) => void} moved told of its place, 0 to 1
 */
export function handle(stage, moved) {
  const slider = document.createElement("div");
  slider.className = "swipe";
  slider.tabIndex = 0;
  slider.setAttribute("role", "slider");
  slider.setAttribute("aria-label", "Border between left and right");
  slider.setAttribute("aria-valuemin", 0);
  slider.setAttribute("aria-valuemax", 100);
  slider.append(document.createElement("span"));
  let place = 50;
  const move = (to) => {
    place = Math.min(100, Math.max(0, to));
    slider.style.left = `${place}%`;
    slider.setAttribute("aria-valuenow", Math.round(place));
    slider.setAttribute("aria-valuetext", `${Math.round(place)} % left`);
    moved(place / 100);
  };
  slider.addEventListener("pointerdown", (e) => slider.setPointerCapture(e.pointerId));
  slider.addEventListener("pointermove", (e) => {
    if (!slider.hasPointerCapture(e.pointerId)) return;
    const box = stage.getBoundingClientRect();
    move((100 * (e.clientX - box.left)) / box.width);
  });
  slider.addEventListener("keydown", (e) => {
    const steps = {
      ArrowLeft: place - STEP, ArrowDown: place - STEP, PageDown: place - 10, Home: 0,
      ArrowRight: place + STEP, ArrowUp: place + STEP, PageUp: place + 10, End: 100,
    };
    if (!(e.key in steps)) return;
    e.preventDefault();
    move(steps[e.key]);
  });
  stage.append(slider);
  move(place);
}
