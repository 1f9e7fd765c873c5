"use strict";
(() => {
  const form = document.querySelector("form");
  const said = form.querySelector("output");
  const tests = [...document.querySelectorAll(".case")];
  const apply = () => {
    const words = form.elements.name.value.toLowerCase().split(/\s+/);
    const outcome = form.elements.outcome.value;
    let count = 0;
    for (const test of tests) {
      const name = test.querySelector("h3").textContent.toLowerCase();
      const fits = words.every((word) => name.includes(word)) && (!outcome || test.dataset.outcome === outcome);
      test.hidden = !fits;
      count += fits;
    }
    said.textContent = `${count} of ${tests.length} shown`;
  };
  // What went wrong is seen first, also where the screen is too narrow for all that came before it.
  const wrong = ["violation", "fault", "crash", "raised"].map((kind) => `.m.${kind}`);
  const turn = (frame) => {
    const all = [...frame.querySelectorAll(".stage > svg .m")];
    const mark = wrong.map((kind) => all.find((each) => each.matches(kind))).find(Boolean);
    if (!mark) return;
    const [box, own] = [mark.getBoundingClientRect(), frame.getBoundingClientRect()];
    if (box.right > own.right - 20) frame.scrollLeft += box.left - own.left - own.width * 0.6;
  };
  for (const test of tests) {
    const turnAll = () => test.open && test.querySelectorAll(".scroller").forEach(turn);
    turnAll();
    test.addEventListener("toggle", turnAll, { once: true });
  }
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
})();
