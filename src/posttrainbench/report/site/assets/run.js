// The list of items on the page of a run.
"use strict";
(() => {
  const root = document.getElementById("item-list");
  if (!root) return;
  const byId = (id) => document.getElementById(id);
  const { element, percent } = ptb;
  const SHOWN = 25, STORED = 50;
  const folder = root.dataset.folder;
  const pages = new Map();

  ptb.load(`${folder}/index.js`, "items").then(start, () => {
    root.hidden = false;
    byId("item-status").textContent = "The data files of the items are missing. Keep the directory “items” beside this page.";
  });

  function page(number) {
    if (!pages.has(number)) pages.set(number, ptb.load(`${folder}/${number}.js`, `items-${number}`));
    return pages.get(number);
  }

  function start(items) {
    const query = byId("item-query"), filter = byId("item-filter"), rows = byId("item-rows");
    const kinds = {
      all: () => true,
      wrong: ([, score]) => score < 1,
      right: ([, score]) => score >= 1,
      lost: ([, score, base]) => base !== null && base > score,
      gained: ([, score, base]) => base !== null && base < score,
    };
    const prefix = ptb.commonPrefix(items.map(([name]) => name));
    let chosen = [], at = 0;

    function select() {
      const text = query.value.trim().toLowerCase(), matches = kinds[filter.value];
      chosen = [];
      items.forEach((item, position) => {
        if (matches(item) && (!text || item[0].toLowerCase().includes(text) || item[3].toLowerCase().includes(text))) chosen.push(position);
      });
      at = 0;
      show();
    }

    function show() {
      rows.textContent = "";
      for (const position of chosen.slice(at, at + SHOWN)) rows.append(...row(position));
      const last = Math.min(at + SHOWN, chosen.length);
      byId("item-status").textContent = `${chosen.length.toLocaleString("en")} of ${items.length.toLocaleString("en")} items`;
      byId("item-page").textContent = chosen.length ? `${at + 1} to ${last}` : "no item";
      byId("item-before").disabled = at === 0;
      byId("item-after").disabled = last >= chosen.length;
    }

    function row(position) {
      const [name, score, base, gist] = items[position];
      const line = element("tr", score < 1 ? "wrong" : "right"), detail = element("tr", "detail");
      detail.hidden = true;
      const head = element("th", "left");
      head.scope = "row";
      const button = element("button", "item-name", name.slice(prefix.length));
      button.type = "button";
      button.setAttribute("aria-expanded", "false");
      head.append(button);
      line.append(head, element("td", "left gist", gist), element("td", score < 1 ? "score wrong" : "score", percent(score)), element("td", "", percent(base)));
      const cell = element("td", "left");
      cell.colSpan = 4;
      detail.append(cell);
      button.addEventListener("click", async () => {
        detail.hidden = !detail.hidden;
        button.setAttribute("aria-expanded", String(!detail.hidden));
        if (detail.hidden || cell.childElementCount) return;
        let entry = null;
        try { entry = (await page(Math.floor(position / STORED)))[position % STORED]; } catch { /* the file is missing */ }
        if (cell.childElementCount) return;
        cell.append(entry ? ptb.itemTexts(entry[0], entry[1], [["Answer", entry[2]]], root.dataset.viewer) : element("p", "absent", "The evaluation's log does not show this item."));
      });
      return [line, detail];
    }

    let timer = 0;
    query.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(select, 150); });
    filter.addEventListener("change", select);
    byId("item-before").addEventListener("click", () => { at = Math.max(0, at - SHOWN); show(); });
    byId("item-after").addEventListener("click", () => { at += SHOWN; show(); });
    root.hidden = false;
    if (items.some(([, score]) => score < 1)) filter.value = "wrong";
    select();
    root.dataset.ready = "yes";
  }
})();
