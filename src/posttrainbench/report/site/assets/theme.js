// Runs before the first paint, so that the chosen colors do not flash.
"use strict";
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch { /* storage is blocked: the system's preference applies */ }
})();
