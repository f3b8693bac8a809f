// Keys for the whole page, and the help that tells them.

/**
 * @param {() => object?} shown the result that is shown, see `result.js`
 */
export function listen(shown) {
  const help = document.getElementById("help");
  document.querySelector("[data-help]").onclick = () => help.showModal();
  document.addEventListener("keydown", (e) => {
    const typing = e.target.matches("input:not([type=range], [type=checkbox]), select, textarea");
    if (typing || e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
    if (e.key === "?") return help.showModal();
    const result = shown();
    if (!result) return;
    const keys = {
      "+": () => result.zoom("in"),
      "=": () => result.zoom("in"),
      "-": () => result.zoom("out"),
      0: () => result.zoom("fit"),
      s: () => result.arrange("swipe"),
      g: () => result.arrange("grid"),
      o: () => result.toggleOutline(),
      m: () => result.nextMap(),
      a: () => result.toggleClasses(),
    };
    const act = keys[e.key.toLowerCase()];
    if (!act) return;
    e.preventDefault();
    act();
  });
}
