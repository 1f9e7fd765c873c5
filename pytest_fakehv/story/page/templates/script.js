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
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
})();
