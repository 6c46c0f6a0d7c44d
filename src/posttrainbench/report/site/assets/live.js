// Only on pages of `ptb view`: reloads the page when the server says that its content has changed.
"use strict";
(() => {
  const token = location.pathname.split("/")[1];
  const place = decodeURIComponent(location.pathname.split("/").slice(2, -1).join("/"));
  const own = (changed) => place === changed || place.startsWith(`${changed}/`);
  const source = new EventSource(`/${token}/events`);
  source.addEventListener("message", (event) => {
    const changed = JSON.parse(event.data);
    const aboutRun = /^runs\/.+/.test(place);
    if (aboutRun ? changed.some(own) : changed.includes("board")) location.reload();
  });
})();
